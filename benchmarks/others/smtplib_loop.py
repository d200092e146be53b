"""The standard library: one connection, ``sendmail`` for each recipient, the encoded mail filled by replacing."""

import smtplib
import sys
from pathlib import Path

port, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
mail = (folder / "mail.eml").read_bytes()
with smtplib.SMTP("127.0.0.1", port) as server:
    for number in range(count):
        to = f"reader{number}@example.org"
        own = mail.replace(b"@@TO@@", to.encode()).replace(b"@@TOKEN@@", b"%032x" % number)
        server.sendmail("digest@example.org", [to], own)
