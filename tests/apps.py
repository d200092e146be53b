"""An App with parts of its own choosing."""

from __future__ import annotations

import copy

from digest.app import App


def having(app: App, **services: object) -> App:
    """The same App, but with these services."""
    other = copy.copy(app)
    vars(other).update(services)
    return other
