"""What somebody wants to see: which digest, as whom, in which language and layout, of which day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from digest.cli.door import reader_address
from digest.config import apply_preferences
from digest.config.nearest import nearest
from digest.config.profile_file import read_profile
from digest.model.errors import UsageError
from digest.model.people import Layout, language_tag

if TYPE_CHECKING:
    from digest.model.editions import Digest
    from digest.model.people import Profile
    from digest.services.publishing.preview import Preview, Previewed

LAYOUTS = tuple(layout.value for layout in Layout)
#: How a wish is called where it is written: a field of a query, which is an option of the command as well.
_NAMES = {"reader": "for"}
_LONGEST = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Texts as they were typed, not yet checked; empty means what the digest and the reader have."""

    digest: str = ""
    reader: str = ""
    """An address. It need not be a reader's."""
    profile: str = ""
    """Name of a profile file."""
    language: str = ""
    layout: str = ""
    at: str = ""
    """An INSTANT."""

    @classmethod
    def of_query(cls, query: str) -> Wish:
        """What a URL asks for; whatever else stands in it is ignored."""
        try:
            given = dict(parse_qsl(query, errors="replace", max_num_fields=50))
        except ValueError:
            given = {}
        texts = {field: given.get(_NAMES.get(field, field), "") for field in cls.__dataclass_fields__}
        return cls(**{field: _plain(text) for field, text in texts.items()})

    @property
    def query(self) -> str:
        """The wish as a query, without a question mark."""
        return urlencode({_NAMES.get(field, field): text for field, text in asdict(self).items() if text})


def _plain(text: str) -> str:
    return "".join(letter for letter in text[:_LONGEST] if letter.isprintable()).strip()


def granted(
    preview: Preview, digest: Digest, wish: Wish, *, profiles: Mapping[str, Path], afresh: bool = False
) -> Previewed:
    """The mail that was wished for. UsageError and ConfigError say which wish is wrong."""
    address = reader_address(wish.reader)
    profile = _profile(preview, digest, address, wish, profiles)
    language = _language(wish.language)
    try:
        return preview.run(digest, address=address, at=wish.at, afresh=afresh, profile=profile, language=language)
    except OverflowError as error:
        what = f"{wish.at!r} is at the end of the calendar"
        raise UsageError(what, where="--at", try_="write a date of this century") from error


def _profile(
    preview: Preview, digest: Digest, address: str, wish: Wish, profiles: Mapping[str, Path]
) -> Profile | None:
    """What is wished instead of the reader's own profile; None for his own."""
    if not wish.profile and not wish.layout:
        return None
    if wish.profile:
        if wish.profile not in profiles:
            hint = nearest(wish.profile, profiles) or "name one with --profile FILE when you start it"
            raise UsageError(f"there is no profile {wish.profile!r}", where="--profile", try_=hint)
        file = profiles[wish.profile]
        profile = apply_preferences(digest.profile, read_profile(file), where=str(file))
    else:
        from digest.services.publishing.preview import reader_of

        profile = preview.profile_of(digest, reader_of(preview.store, digest, address))
    if not wish.layout:
        return profile
    if wish.layout not in LAYOUTS:
        raise UsageError(f"there is no layout {wish.layout!r}", where="--layout", try_=nearest(wish.layout, LAYOUTS))
    return replace(profile, layout=wish.layout)


def _language(text: str) -> str:
    try:
        return language_tag(text) if text else ""
    except ValueError as error:
        raise UsageError(str(error), where="--language") from error
