"""The wire form is RFC 5321's, however the message is cut into segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.content import wire_form


def unstuffed(wire: bytes) -> bytes:
    """What a server makes of it."""
    return b"".join(line[1:] if line.startswith(b".") else line for line in wire.splitlines(keepends=True))


lines = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a.", b"text", b"caf\xc3\xa9"]), max_size=12)


@given(lines, st.data())
def test_any_cut_gives_the_same_bytes_and_a_server_reads_what_was_meant(parts, data):
    whole = b"".join(part + b"\r\n" for part in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    segments = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    wire = b"".join(wire_form(segments))
    assert wire == b"".join(wire_form([whole]))
    assert unstuffed(wire) == whole
    assert b"\r\n.\r\n" not in b"\r\n" + wire


bare = st.tuples(
    st.lists(st.sampled_from([b"a", b".", b"\r\n"]), max_size=6).map(b"".join),
    st.sampled_from([b"x\ny", b"\rx", b"\r\r\n", b"x\n\r\n"]),
    st.sampled_from([b"", b"a\r\n", b"."]),
)


@given(bare.map(b"".join))
def test_a_bare_cr_or_lf_is_refused_wherever_the_seams_are(raw):
    for segments in ([raw], [raw[i : i + 1] for i in range(len(raw))], [raw[: len(raw) // 2], raw[len(raw) // 2 :]]):
        with pytest.raises(ValueError, match="the message has a bare CR or LF"):
            wire_form(segments)


def test_a_large_segment_without_leading_dots_is_not_copied():
    big = b"x" * 70 + b"\r\n"
    assert wire_form([big])[0] is big


def test_a_missing_last_line_end_is_added():
    assert wire_form([b"a\r\n", b"b"]) == [b"a\r\n", b"b", b"\r\n"]
    assert wire_form([]) == []


def test_common_parts_are_looked_through_once_and_still_refused_each_time():
    bad = b"x" * 2000 + b"\n"
    for _ in range(2):
        with pytest.raises(ValueError, match="the message has a bare CR or LF"):
            wire_form([bad])
