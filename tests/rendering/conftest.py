"""One renderer for all rendering tests: inlining a template takes a moment, and is meant to happen once."""

from __future__ import annotations

import pytest

from digest.rendering.render import Renderer, default_template_folder


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer([default_template_folder()])
