"""A machine in a folder, on which the commands of a page are run as they are written.

Its root stands before every path; systemd, the change of user and of owner are played by small scripts: `systemctl
start digest` runs the real daemon, and `stop` waits for its end.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import chdir, redirect_stdout, suppress
from datetime import datetime
from io import StringIO
from pathlib import Path
from signal import SIGTERM
from unittest.mock import patch

from digest.cli import run

ROOT = Path(__file__).parents[2]
_SCRIPTS = {
    "opt/digest/bin/digest": """#!{python}
import os, sys
if os.environ.pop("FOR_THE_DAEMON", "") != "yes" and "NOW" in os.environ:
    os.environ["DIGEST_NOW"] = os.environ["NOW"]
from digest.cli import main
main()
""",
    "opt/digest/bin/pip": "#!/bin/sh\necho pip $* >> {root}/did\n",
    "bin/runuser": '#!/bin/sh\n[ "$1 $2 $3" = "-u digest --" ] || exit 9\nshift 3\nexec "$@"\n',
    "bin/install": """#!/bin/bash
words=()
while [ $# -gt 0 ]; do case $1 in -o|-g) shift 2;; *) words+=("$1"); shift;; esac; done
exec /usr/bin/install "${{words[@]}}"
""",
    "bin/systemctl": """#!/bin/bash
echo systemctl $* >> {root}/did
case "$1 $2" in
  "start digest")
    FOR_THE_DAEMON=yes {root}/opt/digest/bin/digest run --json --config {home}/config.toml 2>>{root}/log >/dev/null &
    echo $! > {root}/pid
    for _ in $(seq 600); do grep -q '"started"' {root}/log && exit 0; kill -0 $! || exit 1; sleep 0.05; done; exit 1;;
  "stop digest")
    [ -f {root}/pid ] || exit 0
    kill $(cat {root}/pid); while kill -0 $(cat {root}/pid) 2>/dev/null; do sleep 0.02; done; rm {root}/pid {root}/log;;
  *) exit 9;;
esac
""",
}


def blocks(page: str, heading: str) -> list[str]:
    """The commands of one section of a page, by block."""
    text = (ROOT / page).read_text("utf-8")
    (section,) = re.findall(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text)
    return re.findall(r"(?ms)^```\n(.*?)^```", section)


class Machine:
    """Use ``close`` at the end."""

    def __init__(self, root: Path, config: str) -> None:
        self.root = root
        self.home = root / "var/lib/digest"
        self.home.mkdir(parents=True)
        (self.home / "config.toml").write_text(config, "utf-8")
        for name, script in _SCRIPTS.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(script.format(python=sys.executable, root=root, home=self.home), "utf-8")
            path.chmod(0o755)

    def close(self) -> None:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.root / "pid").read_text()), SIGTERM)

    def run(self, commands: str, *, now: str = "", changed: Mapping[str, str] | None = None) -> str:
        """Runs them as a page has them, but for the folders and what ``changed`` names; gives what they printed.

        ``now`` is the clock of all but the daemon.
        """
        for old, new in {
            "/opt/digest/": f"{self.root}/opt/digest/",
            "/var/lib/digest": str(self.home),
            "/backup": f"{self.root}/backup",
            **(changed or {}),
        }.items():
            commands = commands.replace(old, new)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        environ |= {"PATH": f"{self.root}/bin:{os.environ['PATH']}", **({"NOW": now} if now else {})}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.root,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    def digest(self, *words: str, now: str) -> None:
        """One command of the operator that is on no page: without a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        environ = patch.dict(os.environ, kept | {"DIGEST_NOW": now}, clear=True)
        with chdir(self.home), environ, redirect_stdout(StringIO()) as told:
            code = run(" ".join(words).split())
        assert code == 0, told.getvalue()

    def shows(self, papers: Mapping[int, datetime]) -> None:
        """The lab's feed has these papers, each of its instant."""
        items = [
            {
                "id": f"note-{number}",
                "url": f"https://lab.example.org/note/{number}",
                "title": f"Note number {number} of the harbour laboratory",
                "content_text": "What the harbour's instruments said.",
                "date_published": at.isoformat(),
            }
            for number, at in papers.items()
        ]
        document = {"version": "https://jsonfeed.org/version/1.1", "title": "The lab", "items": items}
        written = self.home / "lab.json.new"
        written.write_text(json.dumps(document), "utf-8")
        written.replace(self.home / "lab.json")

    def mailed(self) -> Counter[int]:
        """How often each paper was mailed."""
        mails = [one.read_text("utf-8") for one in (self.home / "out").glob("*.eml")]
        return Counter(int(n) for one in mails for n in set(re.findall(r"/note/(\d+)", one.replace("=\n", ""))))
