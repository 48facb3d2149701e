"""Until when the agent's own certificate is good: read from its bytes, since TLS does not say.

A handshake that fails for an expired certificate looks to its caller like a server that is away.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

_SEQUENCE = 0x30
_VERSION = 0xA0
#: The two kinds of time of RFC 5280, 4.1.2.5: years from 1950 to 2049, and any other.
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
#: tbsCertificate of RFC 5280 up to the validity: serial number, signature, issuer.
_BEFORE_VALIDITY = 3


def expiry(path: Path) -> datetime | None:
    """Answer when a certificate ends; None: it cannot be read."""
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(path.read_text()))
    except (OSError, ValueError, IndexError):
        return None


def _not_after(der: bytes) -> datetime:
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    if rest[0] == _VERSION:
        _, _, rest = _element(rest)
    for _ in range(_BEFORE_VALIDITY):
        _, _, rest = _element(rest)
    kind, validity, _ = _element(rest)
    if kind != _SEQUENCE:
        raise ValueError("no validity where it has to be")
    _, _, rest = _element(validity)
    kind, value, _ = _element(rest)
    if kind not in {_UTC_TIME, _GENERALIZED_TIME}:
        raise ValueError("no time where it has to be")
    text = value.decode("ascii")
    if kind == _UTC_TIME:  # strptime's %y turns at 69, not at 50
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """Take one element of DER: its kind, what it holds, and what follows it."""
    start, length = 2, der[1]
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    if len(der) < start + length:
        raise ValueError("cut off")
    return der[0], der[start : start + length], der[start + length :]
