"""Hashes of passwords: only the right word fits, and nobody's configuration can ask for hours or gigabytes."""

from __future__ import annotations

import hashlib

import pytest

from digest.services.access import passwords

SALT = bytes(range(16))
LINE = passwords.hashed("tidal gauges at dawn", SALT)


def test_only_the_right_password_fits():
    assert passwords.fits("tidal gauges at dawn", LINE)
    for wrong in ("Tidal gauges at dawn", "tidal gauges at dawn ", "\ud800", "x" * 2_000):
        assert not passwords.fits(wrong, LINE)
    assert not passwords.fits("", passwords.NOBODY)


def test_the_line_is_scrypt_of_rfc_7914():
    name, *numbers, salt, key = LINE.split(":")
    assert (name, numbers) == ("scrypt", ["15", "8", "3"])
    raw = hashlib.scrypt(b"tidal gauges at dawn", salt=SALT, n=2**15, r=8, p=3, maxmem=2**26, dklen=32)
    assert key == passwords._text(raw)
    assert salt == passwords._text(SALT)


def test_any_letters_will_do():
    password = "  grün und ein wenig blau  "
    assert passwords.problem(password) == passwords.problem("a" * 12) == ""
    assert passwords.fits(password, passwords.hashed(password, SALT))


@pytest.mark.parametrize("password", ["", "short", "a" * 11, "a" * 1_001])
def test_what_is_too_short_or_too_long_is_said(password):
    assert f"{len(password)} characters" in passwords.problem(password)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "tidal gauges at dawn",
        LINE[:-1],
        LINE + "A",
        LINE.replace("scrypt", "md5"),
        LINE.replace(":15:", ":30:"),
        LINE.replace(":15:", ":0:"),
        LINE.replace(":8:", ":99:"),
        LINE.replace(":3:", ":0:"),
    ],
)
def test_another_line_fits_nothing_and_costs_nothing(line):
    assert not passwords.is_hash(line)
    assert not passwords.fits("tidal gauges at dawn", line)


def test_other_parameters_than_ours_are_tried():
    raw = hashlib.scrypt(b"tidal gauges at dawn", salt=SALT, n=2**14, r=8, p=5, maxmem=2**26, dklen=32)
    assert passwords.fits("tidal gauges at dawn", f"scrypt:14:8:5:{passwords._text(SALT)}:{passwords._text(raw)}")
