"""The e-mail judge (../shared/judge): an installed copy of it is found in JUDGE_DIR. Takes mails by name, gives what it
found wrong.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.archive import shared

#: What the judge says of a mail that nobody need or can unsubscribe from.
UNLISTED = (
    "unsubscribe: no visible unsubscribe link in the HTML part",
    "mime: no List-Unsubscribe",
    'mime: no "List-Unsubscribe-Post: List-Unsubscribe=One-Click"',
    "text-part: no unsubscribe address",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the judge said of some mails."""

    failures: tuple[str, ...]
    """``NAME: FAIL REQUIREMENT: DETAIL``, or what went wrong with the judge itself."""
    passed: int
    """Mails of which nothing is left to say."""


def folder() -> Path:
    """The judge's folder; says so when no installed copy is there."""
    place = Path(os.environ.get("JUDGE_DIR") or shared() / "judge")
    assert (place / "node_modules").is_dir() and (place / ".venv").is_dir(), (
        f"{place}: the judge is not installed here; run its install.sh in a copy of it and name the copy in JUDGE_DIR"
    )
    return place


def judged(mails: Mapping[str, bytes], into: Path, *, unlisted: Collection[str] = ()) -> Verdict:
    """Every mail through the gate; the mails are left in ``into``. Those named ``unlisted`` carry nothing to
    unsubscribe with, and what the gate says of that is passed over.
    """
    place = folder()
    for name, raw in mails.items():
        (into / f"{name}.eml").write_bytes(raw)
    run = subprocess.run(
        [place / ".venv" / "bin" / "python", place / "judge.py", "--gate", *(into / f"{name}.eml" for name in mails)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = run.stdout.splitlines()
    counts = lines.pop() if lines and " passed, " in lines[-1] else "the judge gave no counts"
    excused = {f"{into / name}.eml: FAIL {text}" for name in unlisted for text in UNLISTED}
    failures = [line.removeprefix(f"{into}/") for line in lines if line not in excused]
    passed = len(mails) - len(_named(failures))
    if not counts.startswith(f"{len(mails) - len(_named(lines))} passed") or run.stderr:
        failures.append(f"{counts}; exit {run.returncode} {run.stderr}".strip())
    return Verdict(failures=tuple(failures), passed=passed)


def _named(lines: Collection[str]) -> set[str]:
    """The mails that lines are about."""
    return {line.partition(".eml: ")[0] for line in lines}
