"""aiosmtplib: sixteen clients, each with its connection, take recipients from one queue."""

import asyncio
import sys
from pathlib import Path

import aiosmtplib

port, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
mail = (folder / "mail.eml").read_bytes()
numbers = iter(range(count))


async def sender() -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as server:
        for number in numbers:
            to = f"reader{number}@example.org"
            own = mail.replace(b"@@TO@@", to.encode()).replace(b"@@TOKEN@@", b"%032x" % number)
            await server.sendmail("digest@example.org", [to], own)


async def main() -> None:
    await asyncio.gather(*(sender() for _ in range(16)))


asyncio.run(main())
