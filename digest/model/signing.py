"""Keys that sign mails (DKIM, RFC 6376), and the DNS records of their public halves."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

#: One string of a TXT record (RFC 1035).
_STRING = 255


class KeyKind(StrEnum):
    """As ``k=`` of a record has it."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A private key and where its public half is published."""

    selector: str
    domain: str
    kind: KeyKind
    bits: int
    """Length of an RSA key's modulus; 256 for Ed25519."""
    public: bytes
    """What ``p=`` holds, decoded: the SubjectPublicKeyInfo of RSA, the 32 bytes of Ed25519."""
    sign: Callable[[bytes], bytes] = field(repr=False, compare=False)
    """Signature of these header bytes; may be called from several threads at once."""

    @property
    def algorithm(self) -> str:
        """As ``a=`` of a signature has it."""
        return f"{self.kind.value}-sha256"

    @property
    def name(self) -> str:
        """Where in the DNS its record stands."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The TXT record's value, in one piece."""
        return f"v=DKIM1; k={self.kind.value}; p={base64.b64encode(self.public).decode('ascii')}"

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone file: quoted strings of at most 255 bytes, which are read as one."""
        value = self.record
        strings = " ".join(f'"{value[at : at + _STRING]}"' for at in range(0, len(value), _STRING))
        return f"{self.name}. IN TXT ( {strings} )"
