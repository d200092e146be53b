"""The composition root: Config -> App, the one place that picks concrete parts."""

from __future__ import annotations

from digest.app.services import App, build, system_clock

__all__ = ["App", "build", "system_clock"]
