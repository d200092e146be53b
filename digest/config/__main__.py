"""``python -m digest.config example|reference`` prints config.example.toml or docs/configuration.md."""

from __future__ import annotations

import sys

from digest.config.printing import example, reference

PAGES = {"example": example, "reference": reference}

if len(sys.argv) != 2 or sys.argv[1] not in PAGES:
    sys.exit(f"usage: python -m digest.config {'|'.join(PAGES)}")
sys.stdout.write(PAGES[sys.argv[1]]())
