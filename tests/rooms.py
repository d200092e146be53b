"""Draws who really imports whom, from the code: ``python -m tests.rooms``.

The rooms stand in the order of the house, so every name in a row stands in a row below it.
"""

from __future__ import annotations

from tests.test_layers import MAY_IMPORT, modules, ours, room


def drawing() -> str:
    """A row a room: what it imports, in the order of the rows."""
    order = list(MAY_IMPORT)
    used: dict[str, set[str]] = {name: set() for name in order}
    for module in modules():
        if room(module) in used:
            used[room(module)] |= {room(name) for name in ours(module)}
    rows = (f"{name:10}-> {' '.join(other for other in order if other in used[name] - {name})}" for name in order)
    return "\n".join(row.removesuffix("-> ").rstrip() for row in rows)


if __name__ == "__main__":
    print(drawing())
