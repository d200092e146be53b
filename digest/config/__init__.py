"""The configuration: one TOML file and DIGEST_… variables -> frozen ``Config`` in the model's words.

settings, relaying and preferences declare every option once; loading reads, environment and problems help it; build
checks across sections; printing makes config.example.toml and docs/configuration.md; starter writes the file of
`digest init`.
"""

from __future__ import annotations

from digest.config.loading import find, from_table, load, read_secret, user_config
from digest.config.preferences import apply_preferences, parse_profile
from digest.config.profile_file import read_profile
from digest.config.record import Config
from digest.config.relaying import RelaySettings
from digest.config.settings import (
    DeliverySettings,
    FetchSettings,
    InboundSettings,
    KeySettings,
    MailSettings,
    RetentionSettings,
    SigningSettings,
    WebSettings,
)
from digest.config.starter import Answers, write_config

__all__ = [
    "Answers",
    "Config",
    "DeliverySettings",
    "FetchSettings",
    "InboundSettings",
    "KeySettings",
    "MailSettings",
    "RelaySettings",
    "RetentionSettings",
    "SigningSettings",
    "WebSettings",
    "apply_preferences",
    "find",
    "from_table",
    "load",
    "parse_profile",
    "read_profile",
    "read_secret",
    "user_config",
    "write_config",
]
