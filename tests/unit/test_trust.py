"""The farm's certificates: who they name, how long, and what is no longer good."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.domain.errors import ConfigError
from orchestrator.trust import (
    RENEW_BEFORE,
    Gatekeeper,
    create_ca,
    enroll_local,
    identify,
    revoke,
    server_credentials,
    sign_device,
)

FARM = "farm-0123456789ab"


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    """A farm's trust folder."""
    create_ca(tmp_path / "trust", FARM)
    return tmp_path / "trust"


def _signed(trust: Path, device: str, valid: tuple[datetime, datetime]) -> bytes:
    key = serialization.load_pem_private_key((trust / "ca.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    ca_pem = (trust / "ca.crt").read_bytes()
    own = ec.generate_private_key(ec.SECP256R1())
    return sign_device(key, ca_pem, FARM, device, own.public_key(), valid)


def test_keys_are_for_their_owner_only(trust: Path, tmp_path: Path) -> None:
    """No private key can be read by others."""
    files = enroll_local(trust, FARM, "local", tmp_path / "agent")
    for key in (trust / "ca.key", trust / "server.key", files.key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_ca_is_never_overwritten(trust: Path) -> None:
    """A second one would make every device a stranger."""
    before = (trust / "ca.key").read_bytes()
    with pytest.raises(ConfigError, match="has a CA already"):
        create_ca(trust, FARM)
    assert (trust / "ca.key").read_bytes() == before


def test_a_farm_without_ca_is_told(tmp_path: Path) -> None:
    """The next step is in the line."""
    with pytest.raises(ConfigError, match="farm init"):
        server_credentials(tmp_path)


def test_a_clock_of_1970_still_trusts_the_server(trust: Path) -> None:
    """CA and server are valid from the epoch on, and for decades."""
    for pem in (server_credentials(trust).ca, server_credentials(trust).certificate):
        certificate = x509.load_pem_x509_certificate(pem)
        assert certificate.not_valid_before_utc.year == 1970
        assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=365 * 20)


def test_the_servers_name_is_the_farms_id(trust: Path) -> None:
    """Never an address, so the farm can move."""
    certificate = x509.load_pem_x509_certificate(server_credentials(trust).certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [FARM]


@pytest.mark.parametrize("device", ["local", "emu-aarch64", "a/b", "ü 1", "x" * 200])
def test_a_certificate_names_its_device(trust: Path, tmp_path: Path, device: str) -> None:
    """Whatever the name is."""
    files = enroll_local(trust, FARM, device, tmp_path / "agent")
    assert identify(files.certificate.read_bytes(), FARM).device == device


def test_enrolling_again_keeps_what_is_good(trust: Path, tmp_path: Path) -> None:
    """The second time nothing changes."""
    first = enroll_local(trust, FARM, "local", tmp_path / "agent")
    pem = first.certificate.read_bytes()
    second = enroll_local(trust, FARM, "local", tmp_path / "agent")
    assert (first.renewed, second.renewed) == (True, False)
    assert second.certificate.read_bytes() == pem


@pytest.mark.parametrize("damage", ["expiring", "other name", "no key", "other key", "other CA"])
def test_enrolling_again_replaces_what_is_not(trust: Path, tmp_path: Path, damage: str) -> None:
    """Near its end, of another name or CA, or without its key, a certificate is made anew."""
    files = enroll_local(trust, FARM, "local", tmp_path / "agent")
    now = datetime.now(UTC)
    if damage == "expiring":
        soon = now + RENEW_BEFORE - timedelta(days=1)
        files.certificate.write_bytes(_signed(trust, "local", (now, soon)))
    elif damage == "no key":
        files.key.unlink()
    elif damage == "other key":
        other = enroll_local(trust, FARM, "local", tmp_path / "other")
        files.key.write_bytes(other.key.read_bytes())
    elif damage == "other CA":
        create_ca(tmp_path / "trust2", FARM)
        trust = tmp_path / "trust2"
    device = "renamed" if damage == "other name" else "local"
    again = enroll_local(trust, FARM, device, tmp_path / "agent")
    assert again.renewed
    assert identify(again.certificate.read_bytes(), FARM).device == device
    assert not enroll_local(trust, FARM, device, tmp_path / "agent").renewed


def test_a_good_certificate_is_admitted(trust: Path, tmp_path: Path) -> None:
    """Its device's name comes from it alone."""
    files = enroll_local(trust, FARM, "local", tmp_path / "agent")
    admission = Gatekeeper(trust, FARM).admit(files.certificate.read_bytes(), datetime.now(UTC))
    assert (admission.device, admission.refusal) == ("local", "")


def test_an_expired_certificate_is_refused(trust: Path, tmp_path: Path) -> None:
    """By the orchestrator's clock, with the day."""
    pem = enroll_local(trust, FARM, "local", tmp_path / "agent").certificate.read_bytes()
    late = datetime.now(UTC) + timedelta(days=366)
    assert "expired on" in Gatekeeper(trust, FARM).admit(pem, late).refusal


def test_a_revoked_certificate_is_refused_at_the_next_look(trust: Path, tmp_path: Path) -> None:
    """A living gatekeeper notices, and a new certificate of the same device is good."""
    gatekeeper = Gatekeeper(trust, FARM)
    pem = enroll_local(trust, FARM, "local", tmp_path / "agent").certificate.read_bytes()
    other = enroll_local(trust, FARM, "other", tmp_path / "other").certificate.read_bytes()
    again = enroll_local(trust, FARM, "local", tmp_path / "new").certificate.read_bytes()
    revoke(trust, pem, "stolen")
    revoke(trust, other, "sold")
    gatekeeper.refresh()
    now = datetime.now(UTC)
    assert "revoked: stolen" in gatekeeper.admit(pem, now).refusal
    assert "revoked: sold" in gatekeeper.admit(other, now).refusal
    assert gatekeeper.admit(again, now).refusal == ""


def test_a_damaged_list_of_revoked_keeps_the_old_one(trust: Path, tmp_path: Path) -> None:
    """Whoever was out stays out."""
    pem = enroll_local(trust, FARM, "local", tmp_path / "agent").certificate.read_bytes()
    revoke(trust, pem, "stolen")
    gatekeeper = Gatekeeper(trust, FARM)
    (trust / "revoked.json").write_text("[")
    with pytest.raises(ConfigError, match="not a list of revoked"):
        gatekeeper.refresh()
    assert gatekeeper.admit(pem, datetime.now(UTC)).refusal


def test_a_server_is_no_device(trust: Path) -> None:
    """The server's certificate, and one of another farm's device, name no device here."""
    pem = server_credentials(trust).certificate
    refusal = Gatekeeper(trust, FARM).admit(pem, datetime.now(UTC)).refusal
    assert "names no device" in refusal


def test_another_farms_device_is_no_device(trust: Path, tmp_path: Path) -> None:
    """A name counts together with its farm."""
    pem = enroll_local(trust, FARM, "local", tmp_path / "agent").certificate.read_bytes()
    assert identify(pem, "farm-other").device == ""


def test_garbage_is_refused(trust: Path) -> None:
    """What is no certificate is refused, not raised."""
    assert Gatekeeper(trust, FARM).admit(b"garbage", datetime.now(UTC)).refusal
