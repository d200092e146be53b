"""What is printed cannot command the terminal."""

from __future__ import annotations

import io
import json

import pytest

from digest.cli.terminal import Rows, as_text, in_line, put, safe, slot

EVIL = "a\x1b[2Jb\x07c\x9bd\u202ee\u2066f\r\ng\ud800h\u2028i"


def test_control_characters_and_direction_marks_go_away():
    assert safe(EVIL) == "a[2Jbcdef\nghi"
    assert in_line("one\n two\t three") == "one two three"
    assert safe("naïve 東京 עברית 👩‍🔬") == "naïve 東京 עברית 👩‍🔬"


def test_json_says_the_same_and_is_as_harmless():
    written = as_text({"title": EVIL, "plain": "東京"})
    assert json.loads(written) == {"title": EVIL, "plain": "東京"}
    assert safe(written) == written
    assert "東京" in written
    written.encode("utf-8")


def test_json_for_a_reader_of_ascii_is_ascii(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert (as_text("東"), json.loads(as_text("東"))) == ('"\\u6771"', "東")


def test_a_table_for_a_file_is_aligned_with_spaces():
    out = io.StringIO()
    put("head\x1b", Rows(("id", "title"), [(1, "a\nb"), (22, "c\x1b[0m")]), to=out)
    assert out.getvalue() == "head\nid  title\n1   a b\n22  c[0m\n"


def test_a_table_on_a_terminal_is_as_harmless():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    put(Rows(("id",), [("[bold]x\x1b]0;title\x07",)]), to=out)
    assert "[bold]x]0;title" in out.getvalue()
    assert "\x1b]" not in out.getvalue()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "-"),
        ("2026-03-04@2026-03-04T07:00:00Z", "2026-03-04 07:00 UTC"),
        ("2026-03-05@2026-03-04T22:30:00Z", "2026-03-05 (2026-03-04 22:30 UTC)"),
    ],
)
def test_a_slot_is_told_by_its_instant_and_by_its_date_where_that_differs(key, said):
    assert slot(key) == said
