"""What a reader reads: the digest's preferences, and his own over them."""

from __future__ import annotations

from dataclasses import replace

from digest.config import apply_preferences
from digest.model.editions import Digest
from digest.model.people import Profile, Subscription


def profile_of(digest: Digest, reader: Subscription | None) -> Profile:
    """The digest's preferences with the reader's own over them, and what he said of papers."""
    if reader is None:
        return digest.profile
    base = apply_preferences(digest.profile, reader.preferences, where=f"preferences of {reader.address or 'a reader'}")
    language = reader.language or digest.profile.language
    return replace(base, language=language).having(reader.likes, reader.dislikes)
