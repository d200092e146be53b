"""The printer of mails: our templates, and the operator's own before them."""

from __future__ import annotations

from pathlib import Path

from digest.config import Config
from digest.rendering.render import Renderer, default_template_folder


def make_renderer(config: Config) -> Renderer:
    return Renderer(template_folders(config), inliner=config.mail.inliner)


def template_folders(config: Config) -> tuple[Path, ...]:
    """The operator's own templates before ours."""
    own = (config.mail.templates,) if config.mail.templates else ()
    return (*own, default_template_folder())
