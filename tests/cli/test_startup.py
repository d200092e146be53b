"""How little `digest --help` needs: what is slow to import is imported by the command that uses it."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    "alembic", "apscheduler", "babel", "cssutils", "feedparser", "httpx2", "jinja2", "numpy", "premailer",
    "pydantic_settings", "sqlalchemy", "starlette", "uvicorn",
)  # fmt: skip

SCRIPT = """
import json, sys
sys.argv = ["digest", "--help"]
from digest.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
print(json.dumps([code or 0, sorted(name for name in sys.modules if "." not in name)]), file=sys.stderr)
"""


def test_help_imports_nothing_heavy():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    code, loaded = json.loads(run.stderr.strip().splitlines()[-1])
    assert (code, sorted(set(HEAVY) & set(loaded))) == (0, [])
    assert "preview" in run.stdout
