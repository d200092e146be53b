"""The types of the options: how a value is written in TOML or the environment, and what it becomes.

Each is an ``Annotated`` type whose validator takes the plain value and raises ValueError with a sentence.
Addresses follow RFC 5321 (ASCII local part, domain stored as ASCII), zones the IANA database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import time, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field

from digest.config.nearest import nearest
from digest.model.people import language_tag

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_HASH = re.compile(r"scrypt(:[0-9]{1,2}){3}:[A-Za-z0-9_-]{11,86}:[A-Za-z0-9_-]{43}")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Last labels of names that never reach the public mail system: fine at home and in tests, whatever the library says.
PRIVATE_DOMAINS = frozenset({"localhost", "local", "lan", "internal", "home", "test", "example", "invalid"})
#: A topic of Amazon SNS; its region names the host that is believed.
_TOPIC = re.compile(r"arn:aws(?:-cn|-us-gov)?:sns:[a-z]{2}(?:-[a-z]{1,20}){1,3}-\d{1,2}:\d{12}:[A-Za-z0-9_-]{1,256}")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")


def option(default: Any, sentence: str, *, kind: str = "text", example: Any = None, **constraints: Any) -> Any:
    """Declares one option: its default as written in TOML, the sentence that documents it, and its kind of value.

    ``default`` may be ``...`` for an option that must be given. ``example`` is shown where there is no default.
    """
    extra = {"kind": kind, "example": example}
    return Field(default, description=sentence, json_schema_extra=extra, **constraints)


def _seconds(value: object, unit: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value * unit
    text = value.strip().lower().replace(" ", "") if isinstance(value, str) else ""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text) * unit
    if _DURATION.fullmatch(text):
        return sum(float(amount) * UNITS[name] for amount, name in re.findall(r"(\d+(?:\.\d+)?)([smhdw])", text))
    raise ValueError('should be a length of time such as "15m", "36h" or "3d"')


def _timedelta(seconds: float) -> timedelta:
    if not 0 < seconds <= 10 * 365 * 86400:
        raise ValueError("should be longer than nothing and shorter than ten years")
    return timedelta(seconds=seconds)


def _duration(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else _timedelta(_seconds(value, 1))


def _every(value: object) -> timedelta:
    found = _duration(value)
    if found < timedelta(minutes=1):
        raise ValueError('should be at least a minute, such as "30m" or "1h"')
    return found


def _days_long(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else _timedelta(_seconds(value, 86400))


def _clock(value: object) -> time:
    if isinstance(value, time):
        return value.replace(tzinfo=None, second=0, microsecond=0)
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError('should be a time of day such as "07:00"')
    return time(int(match[1]), int(match[2]))


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError) as error:  # unknown is a KeyError, a folder's name an OSError
        raise ValueError(f'"{value}" is not a time zone; {nearest_zone(value)}') from error
    return value


def nearest_zone(wrong: str) -> str:
    """A hint for a misspelt zone; the whole list is too long to print."""
    names = {name.lower(): name for name in available_timezones()}
    hint = nearest(wrong, names)
    if not hint.startswith("did you mean"):
        return 'write an IANA name such as "Europe/Berlin" or "UTC"'
    return f'did you mean "{names[hint.split(chr(34))[1]]}"?'


def _weekdays(value: object) -> tuple[int, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Sequence):
        raise ValueError('should be a list of weekdays such as ["mon", "thu"]')
    found: set[int] = set()
    for item in cast("Sequence[object]", given):
        if isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= 6:
            found.add(item)
        elif isinstance(item, str) and len(day := item.strip().lower()) >= 3 and (at := _weekday(day)) is not None:
            found.add(at)
        else:
            raise ValueError(f"{item!r} is not a weekday; known are: {', '.join(DAYS)}")
    if not found:
        raise ValueError("should name at least one weekday")
    return tuple(sorted(found))


def _weekday(text: str) -> int | None:
    """The day that ``text`` begins: mon, tues, monday."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    return next((number for number, name in enumerate(names) if name.startswith(text)), None)


def ascii_address(text: str) -> str:
    """The address with its domain in ASCII; ValueError says what is wrong with it."""
    from email_validator import EmailNotValidError, validate_email

    local, _, domain = text.strip().rpartition("@")
    private = domain.lower().rsplit(".", 1)[-1] in PRIVATE_DOMAINS
    if private and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?", domain):
        raise ValueError(f'"{text}" is not an e-mail address: its domain is malformed')
    try:
        checked = validate_email(
            f"{local}@example.com" if private else text.strip(), check_deliverability=False, allow_smtputf8=False
        )
    except EmailNotValidError as error:
        raise ValueError(f'"{text}" is not an e-mail address: {error}') from error
    return f"{checked.local_part}@{domain.lower()}" if private else f"{checked.local_part}@{checked.ascii_domain}"


def _mailbox(value: str) -> str:
    name, address = parseaddr(value)
    if not address or any(ord(char) < 32 for char in value):
        raise ValueError('should be an address such as "reader@example.org" or "Digest <digest@example.org>"')
    plain = ascii_address(address)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{plain}>' if name else plain


def _optional_address(value: str) -> str:
    return ascii_address(value) if value else ""


def _addresses(value: object) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Sequence):
        raise ValueError("should be an address or a list of addresses")
    return tuple(ascii_address(str(item)) for item in cast("Sequence[object]", given) if item != "")


def _topics(value: object) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Sequence):
        raise ValueError("should be a topic's ARN or a list of them")
    for item in cast("Sequence[object]", given):
        if not isinstance(item, str) or not _TOPIC.fullmatch(item):
            raise ValueError('should hold ARNs such as "arn:aws:sns:eu-west-1:123456789012:bounces"')
    return tuple(dict.fromkeys(cast("Sequence[str]", given)))


def _web_url(value: str) -> str:
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError('should be an address such as "https://digest.example.org"')
    return value.rstrip("/")


def _bind(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError('should be an address and a port such as "127.0.0.1:8025"')
    return value


def _no_empty_path(value: object) -> object:
    return None if value == "" else value


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError('should be a list of texts such as ["first", "second"]')
    words: list[str] = []
    for item in cast("Sequence[object]", value):
        if not isinstance(item, str):
            raise ValueError(f"{item!r} should be a text in quotes")
        text = whole(" ".join(item.split()))
        if not text or len(text) > 200:
            raise ValueError("holds an empty text" if not text else "holds a text of more than 200 characters")
        if text not in words:
            words.append(text)
    if len(words) > 1000:
        raise ValueError("holds more than 1000 texts")
    return tuple(words)


def whole(text: str) -> str:
    """The text itself; ValueError where JSON's \\ud800 left half a character in it, which nothing can write down."""
    if any(unicodedata.category(char) == "Cs" for char in text):
        raise ValueError("holds half a character")
    return text


def _line(most: int) -> Callable[[str], str]:
    """One line of text to be shown to readers, of at most so many characters."""

    def line(value: str) -> str:
        text = value.strip()
        if len(text) > most:
            raise ValueError(f"should be at most {most} characters long, and has {len(text)}")
        # Beside the control characters: line and paragraph separators, and halves of characters (from JSON's \ud800).
        if any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in text):
            raise ValueError("should be one line of text, without control characters")
        return text

    return line


def _colour(value: str) -> str:
    text = value.strip().lower()
    if not text:
        return ""
    if not re.fullmatch(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", text):
        raise ValueError('should be a colour such as "#0b4a8f" or "#06f"')
    return text if len(text) == 7 else "#" + "".join(digit * 2 for digit in text[1:])


def _one_or_many(value: object) -> object:
    return [cast("object", value)] if isinstance(value, Mapping) else value


def _password_hash(text: str) -> str:
    """The line that services/access/passwords.py makes; whether its numbers are ever tried, the App sees."""
    if text and not _HASH.fullmatch(text):
        raise ValueError("should be what `digest desk password` prints")
    return text


Count = Annotated[int, Field(strict=True, ge=1)]
Score = Annotated[int, Field(strict=True, ge=0, le=100)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Share = Annotated[float, Field(strict=True, ge=0, le=1_000_000, allow_inf_nan=False)]
Rate = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Every = Annotated[timedelta, BeforeValidator(_every)]
DaysLong = Annotated[timedelta, BeforeValidator(_days_long)]
Clock = Annotated[time, BeforeValidator(_clock)]
Zone = Annotated[str, AfterValidator(_zone)]
Weekdays = Annotated[tuple[int, ...], BeforeValidator(_weekdays)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Address = Annotated[str, AfterValidator(_optional_address)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses)]
Topics = Annotated[tuple[str, ...], BeforeValidator(_topics)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
Bind = Annotated[str, AfterValidator(_bind)]
OptionalBind = Annotated[str, AfterValidator(lambda value: value and _bind(value))]
OptionalPath = Annotated[Path | None, BeforeValidator(_no_empty_path)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Title = Annotated[str, AfterValidator(_line(200))]
Logo = Annotated[str, AfterValidator(_line(60))]
Sentence = Annotated[str, AfterValidator(_line(300))]
PasswordHash = Annotated[str, AfterValidator(_password_hash)]
Colour = Annotated[str, AfterValidator(_colour)]
Language = Annotated[str, AfterValidator(language_tag)]
OneOrMany = BeforeValidator(_one_or_many)
