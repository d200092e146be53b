"""One machine and very many readers: ``python benchmarks/million.py [SUBSCRIBERS] [--profiles 200]``.

A million subscribers in 200 profiles, mails of 20 KB, into a sink of ours that is no wall (sink.c); first unsigned,
then signed with RSA-2048. The slot is published, `digest send` delivers; in the middle it is killed (SIGKILL), and
another one is started as soon as the kernel has closed the first one's connections. Told are the most memory that
either process held, what a mail cost, how long the second took to have its first mail accepted, and the size of the
database.
In the end every delivery must be accepted or, at most one a connection, uncertain, and the sink must have counted as
many mails as that allows.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from prepared import PAPERS_20KB, Prepared, copied, prepare, send_command
from processes import Counting, Run, Started, machine, own_sink, started

from digest.delivery.signing_key import new_key
from digest.model.signing import KeyKind

SIGNED = '\n[[dkim]]\nselector = "bench"\nkey_file = "dkim.pem"\n'


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("subscribers", type=int, nargs="?", default=1_000_000)
    given.add_argument("--profiles", type=int, default=200)
    given.add_argument("--connections", type=int, default=16)
    options = given.parse_args()
    alone = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = prepare(folder / "prepared", options.subscribers, items=PAPERS_20KB, profiles=options.profiles)
        pem, _ = new_key(KeyKind.RSA, selector="bench", domain="example.org")
        key = prepared.folder / "dkim.pem"
        key.write_text(pem, "ascii")
        key.chmod(0o600)
        told = {
            **alone,
            "subscribers": options.subscribers,
            "profiles": options.profiles,
            "editions": prepared.editions,
            "bytes_a_mail": prepared.bytes_a_mail,
            "connections": options.connections,
            "publish_seconds": round(prepared.publish_seconds, 1),
            "database_megabytes": megabytes(prepared),
            "unsigned": measure(prepared, options.connections, "", folder),
            "signed": measure(prepared, options.connections, SIGNED, folder),
        }
    print(json.dumps(told, indent=1))


def measure(prepared: Prepared, connections: int, more: str, folder: Path) -> dict[str, object]:
    """Both processes, from the first one's start to the second one's end."""
    with copied(prepared, folder / "copy") as mine, own_sink(folder) as sink:
        command = send_command(mine, sink.port, connections=connections, more=more)
        with started(command) as one:
            print("sending", file=sys.stderr)
            first_after = until(sink, 1, one)
            until(sink, prepared.mails // 2, one)
            killed = one.kill()
        while sink.open_connections:
            time.sleep(0.001)
        middle = sink.mails
        with started(command) as one:
            print(f"killed after {middle} mails", file=sys.stderr)
            again_after = until(sink, middle + 1, one)
            done, last_after = to_the_end(sink, one)
        counts = settled(done, prepared.mails, sink.mails)
        size = megabytes(mine)
    rest = sink.mails - middle
    return {
        "accepted": counts["accepted"],
        "uncertain": counts["uncertain"],
        "seconds": round(killed.seconds + done.seconds, 1),
        "first_mail_after_seconds": round(first_after, 2),
        "mails_a_second_before": round(middle / (killed.seconds - first_after)),
        "goes_on_after_seconds": round(again_after, 2),
        "mails_a_second_after": round(rest / (last_after - again_after)),
        "ends_after_the_last_mail_seconds": round(done.seconds - last_after, 2),
        "cpu_microseconds_a_mail": round(1e6 * (killed.cpu + done.cpu) / prepared.mails, 1),
        "sink_cpu_microseconds_a_mail": round(1e6 * sink.cpu / prepared.mails, 1),
        "peak_resident_megabytes": [round(killed.megabytes, 1), round(done.megabytes, 1)],
        "database_megabytes": size,
    }


def until(sink: Counting, mails: int, one: Started) -> float:
    """Waits until so many mails were taken; gives the seconds since the program's start."""
    while sink.mails < mails:
        ended = one.end(wait=False)
        if ended is not None and sink.mails < mails:
            raise SystemExit(f"it ended after {sink.mails} mails:\n{ended.told[-2000:]}")
        time.sleep(0.0005)
    return one.seconds


def to_the_end(sink: Counting, one: Started) -> tuple[Run, float]:
    """(the run, when its last mail was taken, in seconds since its start)."""
    last, mails = one.seconds, sink.mails
    while (done := one.end(wait=False)) is None:
        if sink.mails != mails:
            last, mails = one.seconds, sink.mails
        time.sleep(0.002)
    return done, last


def settled(done: Run, planned: int, taken: int) -> dict[str, int]:
    """The ledger's counts, which must agree with what the sink took."""
    if done.status not in (0, 3):
        raise SystemExit(f"ended with {done.status}:\n{done.told[-2000:]}")
    counts: dict[str, int] = json.loads(done.told)["deliveries"]
    assert counts["planned"] == planned, counts
    assert counts["accepted"] + counts["uncertain"] == planned, counts
    assert counts["accepted"] <= taken <= planned, (counts, taken)
    return counts


def megabytes(prepared: Prepared) -> int:
    """What the database occupies on disk."""
    return round(sum(file.stat().st_size for file in prepared.folder.glob("digest.db*")) / 1e6)


if __name__ == "__main__":
    main()
