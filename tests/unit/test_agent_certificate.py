"""An agent knows until when its certificate is good, whatever it reads."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.certificate import expiry
from tests.support.certificates import make_identity


@pytest.mark.parametrize("year", [1999, 2024, 2049, 2050, 2083])
def test_the_end_is_read(tmp_path: Path, year: int) -> None:
    """In both forms that a certificate may write it."""
    until = datetime(year, 2, 28, 23, 59, 58, tzinfo=UTC)
    certificate, _ = make_identity("dev", until=until).write(tmp_path, "dev")
    assert expiry(certificate) == until


def test_what_is_no_certificate_has_no_end(tmp_path: Path) -> None:
    """Missing, empty, and one cut off or changed at every byte: never a bug."""
    path = tmp_path / "dev.crt"
    assert expiry(path) is None
    path.write_bytes(b"")
    assert expiry(path) is None
    whole = ssl.PEM_cert_to_DER_cert(make_identity("dev").certificate_pem.decode())
    for place in range(len(whole)):
        path.write_text(ssl.DER_cert_to_PEM_cert(whole[:place] or b"\0"))
        assert expiry(path) is None
        flipped = whole[:place] + bytes([whole[place] ^ 0x90]) + whole[place + 1 :]
        path.write_text(ssl.DER_cert_to_PEM_cert(flipped))
        assert isinstance(expiry(path), datetime | None)
