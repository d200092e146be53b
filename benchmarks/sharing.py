"""How many mails are composed and rendered for many readers: ``python benchmarks/sharing.py [READERS]``.

Counted, not timed: readers of one profile, then the same readers in three profiles.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sample import NOW, application, fill, subscribe

from digest.model.editions import Digest, Edition
from digest.model.mail import Message

PROFILES = ({}, {"max_items": 10}, {"keywords": ["losha velan"]})


def measure(readers: int, profiles: int) -> dict[str, int]:
    rendered = 0
    with tempfile.TemporaryDirectory() as name:
        joined = application(Path(name), at=NOW - timedelta(days=1))
        subscribe(joined, readers, PROFILES[:profiles])
        joined.close()
        app = application(Path(name))
        fill(app, 300, days=2)
        plain = app.publish.print_edition

        def counting(editions: tuple[Edition, ...], digests: tuple[Digest, ...]) -> Message:
            nonlocal rendered
            rendered += 1
            return plain(editions, digests)

        (slot,) = replace(app.publish, print_edition=counting).run(NOW).slots
        app.close()
    return {
        "readers": slot.readers,
        "profiles": profiles,
        "deliveries_planned": slot.planned,
        "editions": slot.editions,
        "renders": rendered,
    }


def main() -> None:
    readers = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print(json.dumps([measure(readers, 1), measure(readers, 3)], indent=1))


if __name__ == "__main__":
    main()
