"""Reports with something wrong in them: what arrives when programs are broken, or people want to break ours."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_WORDS = (
    b"\r\n\r\n", b"\n", b"\r", b"\x00", b"--", b"--b--", b":", b";", b"<>", b"@", b"=", b"\xff\xfe", b"  ", b"5.1.1",
    b"Status: 5.1.1\r\n", b"Action: failed\r\n", b"Action: delayed\r\n", b"Final-Recipient: rfc822;",
    b"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n", b"Auto-Submitted: auto-replied\r\n",
    b"X-Failed-Recipients: ", b"=?utf-8?b?", b"charset=utf-7", b"charset=punycode", b"550 5.1.1 no such user", b"+b1-",
)  # fmt: skip


def mutated(chance: Random, raws: Sequence[bytes]) -> bytes:
    """One of the mails, changed in one to eight places; now and then noise, or halves of two mails."""
    kind = chance.random()
    if kind < 0.05:
        return chance.randbytes(chance.randrange(3_000))
    raw = bytearray(chance.choice(raws))
    if kind < 0.2:
        other = chance.choice(raws)
        raw = raw[: chance.randrange(len(raw))] + other[chance.randrange(len(other)) :]
    for _ in range(chance.randrange(1, 9)):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(6):
            case 0:
                raw[at : at + chance.randrange(60)] = b""
            case 1:
                raw[at:at] = chance.choice(_WORDS)
            case 2:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case 3:
                raw[at:at] = raw[: chance.randrange(400)]
            case 4:
                raw[at:at] = chance.choice(_WORDS) * chance.randrange(1, 200)
            case _:
                raw = raw[:at] if chance.random() < 0.3 else raw
    return bytes(raw)
