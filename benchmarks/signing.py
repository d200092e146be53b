"""What a recipient costs before the network: ``python benchmarks/signing.py [MAILS]``.

One mail of 60 KB: its stamps put in, and a DKIM signature for each copy, by RSA-2048, by Ed25519 and by both. Processor
time of one core, the best of five rounds; beside it the private key's own work, which nothing can undercut, and dkimpy,
which hashes and canonicalises each copy from its beginning.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from prepared import PAPERS_60KB, kept_message, prepare

from digest.delivery.sign import Signer
from digest.delivery.signing_key import new_key
from digest.model.mail import Stamp
from digest.model.signing import KeyKind, SigningKey
from digest.rendering.message import fill, segments, stamp_bytes


def main() -> None:
    mails = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with tempfile.TemporaryDirectory() as name:
        message = kept_message(prepare(Path(name) / "one", 1, items=PAPERS_60KB))
    cut = segments(message)
    pem, rsa_key = new_key(KeyKind.RSA, selector="bench", domain="example.org")
    _, ed25519_key = new_key(KeyKind.ED25519, selector="bench2", domain="example.org")
    values = [stamps(number) for number in range(mails)]

    ready = [stamp_bytes(one) for one in values]

    def signing(*keys: SigningKey) -> Callable[[], object]:
        form = Signer(keys, clock=lambda: datetime.now(UTC)).prepare(cut)
        return lambda: [form.sign(one) for one in ready]

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    rsa_only = signing(rsa_key)
    whole = b"".join(fill(cut, values[0]))
    found = {
        "stamp": microseconds(lambda: [fill(cut, one) for one in values], mails),
        "rsa_2048": microseconds(rsa_only, mails),
        "ed25519": microseconds(signing(ed25519_key), mails),
        "both": microseconds(signing(rsa_key, ed25519_key), mails),
        "rsa_2048_private_key_alone": microseconds(
            lambda: [private.sign(b"x", padding.PKCS1v15(), hashes.SHA256()) for _ in range(mails)], mails
        ),
        "dkimpy_rsa_2048": microseconds(lambda: dkim.sign(whole, b"bench", b"example.org", pem.encode()), 1),
    }
    print(
        json.dumps(
            {
                "bytes_a_mail": len(whole),
                "microseconds_a_mail": {name: round(value, 1) for name, value in found.items()},
                "rsa_2048_per_private_key": round(found["rsa_2048"] / found["rsa_2048_private_key_alone"], 2),
                "dkimpy_per_rsa_2048": round(found["dkimpy_rsa_2048"] / found["rsa_2048"], 1),
            },
            indent=1,
        )
    )


def stamps(number: int) -> Mapping[Stamp, str]:
    """A recipient's, of the usual lengths."""
    return {
        Stamp.TO: f"reader{number}@example.org",
        Stamp.MESSAGE_ID: f"{number:032x}",
        Stamp.UNSUBSCRIBE: f"{number:022x}",
        Stamp.PREFERENCES: f"{number:038x}",
        Stamp.TASTE: f"{number:038x}",
        Stamp.CONFIRM: f"{number:038x}",
    }


def microseconds(act: Callable[[], object], mails: int) -> float:
    """Processor time a mail, the best of five rounds."""
    act()
    rounds: list[float] = []
    for _ in range(5):
        start = time.process_time()
        act()
        rounds.append(time.process_time() - start)
    return 1e6 * min(rounds) / mails


if __name__ == "__main__":
    main()
