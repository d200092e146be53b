"""The wire form is RFC 5321's, however the message is cut into segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.content import dotted, ended
from digest.model.mail import Stamp


def unstuffed(wire: bytes) -> bytes:
    """What a server makes of it."""
    return b"".join(line[1:] if line.startswith(b".") else line for line in wire.splitlines(keepends=True))


lines = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a.", b"text", b"caf\xc3\xa9"]), max_size=12)


@given(lines, st.data())
def test_any_cut_gives_the_same_bytes_and_a_server_reads_what_was_meant(parts, data):
    whole = b"".join(part + b"\r\n" for part in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    segments = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    wire = b"".join(dotted(ended(segments)))
    assert wire == b"".join(dotted(ended([whole])))
    assert unstuffed(wire) == b"".join(ended([whole])) == (whole or b"\r\n")
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
            ended(segments)


@pytest.mark.parametrize("cut", [(b"a\r", Stamp.TO, b"\n"), (b"a\r", Stamp.TO), (Stamp.TO, b"\na")])
def test_a_stamp_ends_no_line_and_pairs_nothing(cut):
    with pytest.raises(ValueError, match="the message has a bare CR or LF"):
        ended(cut)


@pytest.mark.parametrize(
    ("cut", "wire"),
    [
        ((b"a\r\n", Stamp.LEAVE, b".b\r\n"), (b"a\r\n", Stamp.LEAVE, b".b\r\n")),
        ((b"a\r\n", b"", b".b\r\n"), (b"a\r\n", b"", b"..b\r\n")),
        ((b".", Stamp.TO, b"\r\n."), (b"..", Stamp.TO, b"\r\n..", b"\r\n")),
    ],
)
def test_only_a_dot_that_begins_a_line_is_doubled(cut, wire):
    """Behind a stamp there is no beginning of a line; behind an empty piece there is."""
    assert dotted(ended(cut)) == wire


def test_a_large_segment_without_leading_dots_is_not_copied():
    big = b"x" * 70 + b"\r\n"
    assert dotted(ended([big]))[0] is big


def test_a_missing_last_line_end_is_added():
    assert ended([b"a\r\n", b"b"]) == (b"a\r\n", b"b", b"\r\n")
    assert ended([b"a\r\n", Stamp.TO]) == (b"a\r\n", Stamp.TO, b"\r\n")
    assert ended([]) == (b"\r\n",)
