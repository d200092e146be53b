"""``python -m digest`` is the script `digest`."""

from __future__ import annotations

from digest.cli import main

main()
