"""The farm's own certificates: its CA, the server's, one per device, and which are revoked.

The folder holds ``ca.key``, ``ca.crt``, ``server.key``, ``server.crt`` and ``revoked.json``. A
farm's TLS name is its id, never an address, so it can move. A device's name is in its certificate,
as ``farm://FARM_ID/devices/NAME``.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestrator.domain.errors import ConfigError

#: A Pi without a clock starts in 1970, so all certificates are valid from its first second on
#: (design section 7).
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: No machine is set right that says it is earlier: what is made then lasts as if it were made now.
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
#: The CA and the server are not renewed by themselves: longer than anybody keeps a farm.
LONG = timedelta(days=365 * 30)
#: A device's certificate; judged by the orchestrator's clock.
DEVICE_VALID = timedelta(days=365)
#: Enrolment makes a new one when less than this is left.
RENEW_BEFORE = timedelta(days=120)


@dataclass(frozen=True, slots=True)
class ServerCredentials:
    """What the agents' server shows and asks for; PEM."""

    key: bytes
    certificate: bytes
    ca: bytes


@dataclass(frozen=True, slots=True)
class DeviceFiles:
    """Where an agent finds what it shows and asks for."""

    key: Path
    certificate: Path
    ca: Path
    #: Whether they were made just now.
    renewed: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate says its holder is; says nothing about whether it is still good."""

    #: Empty: not a device's certificate of this farm.
    device: str
    serial: int
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a caller may speak."""

    device: str
    #: Why not, for people; empty: it may.
    refusal: str


def create_ca(folder: Path, farm_id: str) -> None:
    """Make the farm's CA and the server's certificate. Refuses to overwrite.

    Raises:
        ConfigError: the folder already holds a CA.
    """
    if (folder / "ca.key").exists():
        raise ConfigError("the farm has a CA already", file=folder / "ca.key")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _sign_ca(ca_key, farm_id)
    server_key = ec.generate_private_key(ec.SECP256R1())
    server = _sign(
        ca_key,
        ca,
        server_key.public_key(),
        x509.DNSName(farm_id),
        (EPOCH, _made_at() + LONG),
        ExtendedKeyUsageOID.SERVER_AUTH,
    )
    _write(folder / "server.key", _key_pem(server_key), 0o600)
    _write(folder / "server.crt", _pem(server), 0o644)
    _write(folder / "ca.crt", _pem(ca), 0o644)
    # Last: its presence says that all the others are there.
    _write(folder / "ca.key", _key_pem(ca_key), 0o600)


def server_credentials(folder: Path) -> ServerCredentials:
    """Read what the server shows.

    Raises:
        ConfigError: the folder holds no complete CA.
    """
    return ServerCredentials(
        _read(folder / "server.key"), _read(folder / "server.crt"), _read(folder / "ca.crt")
    )


def read_dates(folder: Path) -> Mapping[str, datetime]:
    """Answer until when the farm's own certificates are good, by file.

    Raises:
        ConfigError: one is missing or cannot be read, or a key is not its certificate's.
    """
    found = {}
    for name in ("ca", "server"):
        path = folder / f"{name}.crt"
        try:
            certificate = x509.load_pem_x509_certificate(_read(path))
            key = serialization.load_pem_private_key(_read(folder / f"{name}.key"), password=None)
        except (ValueError, TypeError) as error:
            raise ConfigError("or its key is damaged", file=path) from error
        if key.public_key() != certificate.public_key():
            raise ConfigError("and its key do not belong together", file=path)
        found[path.name] = certificate.not_valid_after_utc
    return found


def enroll_local(folder: Path, farm_id: str, device: str, target: Path) -> DeviceFiles:
    """Give a device of this very machine its key and certificate; keeps good ones.

    Args:
        folder: the farm's trust folder.
        farm_id: the farm's id.
        device: the device's name.
        target: the agent's folder; made with mode 0700 where it is missing.

    Raises:
        ConfigError: the farm has no CA.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = DeviceFiles(
        target / "device.key", target / "device.crt", target / "ca.crt", renewed=False
    )
    ca_pem = _read(folder / "ca.crt")
    if _still_good(files, ca_pem, farm_id, device):
        return files
    key = ec.generate_private_key(ec.SECP256R1())
    ca_key = serialization.load_pem_private_key(_read(folder / "ca.key"), password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise ConfigError("not an elliptic curve key", file=folder / "ca.key")
    certificate = sign_device(ca_key, ca_pem, farm_id, device, key.public_key())
    # The key first: a certificate without its key is made anew, since the two would not match.
    _write(files.key, _key_pem(key), 0o600)
    _write(files.certificate, certificate, 0o644)
    _write(files.ca, ca_pem, 0o644)
    return DeviceFiles(files.key, files.certificate, files.ca, renewed=True)


def sign_device(  # what a certificate says, once each
    ca_key: ec.EllipticCurvePrivateKey,
    ca_pem: bytes,
    farm_id: str,
    device: str,
    key: ec.EllipticCurvePublicKey,
    valid: tuple[datetime, datetime] | None = None,
) -> bytes:
    """Sign a device's key.

    Args:
        ca_key: the farm's.
        ca_pem: its certificate.
        farm_id: the farm's id.
        device: the device's name.
        key: the device's public key.
        valid: from and until; None: for a year, and before, should the clock go back.

    Returns:
        The certificate, PEM.
    """
    name = x509.UniformResourceIdentifier(_device_uri(farm_id, device))
    certificate = _sign(
        ca_key,
        x509.load_pem_x509_certificate(ca_pem),
        key,
        name,
        valid or (EPOCH, _made_at() + DEVICE_VALID),
        ExtendedKeyUsageOID.CLIENT_AUTH,
    )
    return _pem(certificate)


@lru_cache(maxsize=4096)
def identify(certificate_pem: bytes, farm_id: str) -> Identity:
    """Read who a certificate names; TLS has proven that our CA signed it and the peer owns it."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return Identity(
        _device_of(certificate, farm_id),
        certificate.serial_number,
        certificate.not_valid_after_utc,
    )


class Gatekeeper:
    """Decides per call who may speak: TLS looks at a certificate once, at the handshake.

    Thread-safe.

    Args:
        folder: the farm's trust folder.
        farm_id: the farm's id.
    """

    def __init__(self, folder: Path, farm_id: str) -> None:
        self._path = folder / "revoked.json"
        self._farm_id = farm_id
        self._revoked: Mapping[int, str] = {}
        self._stamp: tuple[int, int] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Read the list of revoked certificates again if it changed; touches the disk.

        Raises:
            ConfigError: the list cannot be read; the old one stays in force.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._revoked, self._stamp = {}, None
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._revoked, self._stamp = _read_revoked(self._path), stamp

    def admit(self, certificate_pem: bytes, now: datetime) -> Admission:
        """Say whether the holder of a certificate may speak now; does not block."""
        try:
            identity = identify(certificate_pem, self._farm_id)
        except ValueError:
            return Admission("", "the certificate cannot be read")
        return Admission(identity.device, self._refusal(identity, now))

    def _refusal(self, identity: Identity, now: datetime) -> str:
        if not identity.device:
            return "the certificate names no device of this farm"
        if identity.serial in self._revoked:
            why = self._revoked[identity.serial]
            return f"the certificate of {identity.device} is revoked: {why}"
        if now >= identity.not_after:
            return f"the certificate of {identity.device} expired on {identity.not_after:%Y-%m-%d}"
        return ""


def revoke(folder: Path, certificate_pem: bytes, reason: str) -> None:
    """Make a certificate useless from now on; its device may get another. Durable.

    Callers hold the farm's lock: the list is read, changed and written.
    """
    path = folder / "revoked.json"
    revoked = dict(_read_revoked(path)) if path.exists() else {}
    revoked[x509.load_pem_x509_certificate(certificate_pem).serial_number] = reason
    text = json.dumps({f"{serial:x}": why for serial, why in sorted(revoked.items())}, indent=1)
    _write(path, text.encode(), 0o600)


def _read_revoked(path: Path) -> Mapping[int, str]:
    try:
        return {int(serial, 16): str(why) for serial, why in json.loads(path.read_text()).items()}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"not a list of revoked certificates: {error}", file=path) from error


def _made_at() -> datetime:
    """Answer from when on a certificate's time counts, also where the clock says 1970."""
    return max(datetime.now(UTC), EARLIEST)


def _still_good(files: DeviceFiles, ca_pem: bytes, farm_id: str, device: str) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
        same_ca = files.ca.read_bytes() == ca_pem
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca_pem))
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    now = datetime.now(UTC)
    return (
        same_ca
        # Of the future: made while this machine's clock was wrong, and refused till then.
        and certificate.not_valid_before_utc <= now
        and key.public_key() == certificate.public_key()
        and _device_of(certificate, farm_id) == device
        and certificate.not_valid_after_utc - now > RENEW_BEFORE
    )


def _device_uri(farm_id: str, device: str) -> str:
    return f"farm://{farm_id}/devices/{quote(device, safe='')}"


def _device_of(certificate: x509.Certificate, farm_id: str) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    prefix = _device_uri(farm_id, "")
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        if uri.startswith(prefix):
            return unquote(uri.removeprefix(prefix))
    return ""


def _sign_ca(key: ec.EllipticCurvePrivateKey, farm_id: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"farm {farm_id}"[:64])])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(EPOCH)
        .not_valid_after(_made_at() + LONG)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _sign(  # what a certificate says, once each
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    key: ec.EllipticCurvePublicKey,
    name: x509.GeneralName,
    valid: tuple[datetime, datetime],
    usage: x509.ObjectIdentifier,
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        x509.CertificateBuilder()
        # The name that counts is the alternative one: a subject is limited to 64 characters.
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            "is missing; the farm has no CA (farm init makes one)", file=path
        ) from None
    except OSError as error:
        problem = f"cannot be read ({error.strerror}): check its permissions"
        raise ConfigError(problem, file=path) from error


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace a file whole and durably, never readable to more than its mode says."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
