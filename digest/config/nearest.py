"""Names the right word when a wrong one was written. Standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(wrong: str, known: Iterable[str]) -> str:
    """A hint for a person: ``did you mean "window"?``, or the list of what is known when nothing is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(wrong.lower(), names, n=3, cutoff=0.6)
    if near:
        # A slip rarely hits the first letters: "category" is "categories", not the closer "per_category".
        best = max(near, key=lambda name: name[:3] == wrong.lower()[:3])
        return f'did you mean "{best}"?'
    return f"known are: {', '.join(names)}" if names else ""
