"""TXT records as the resolver gives them; no name server is asked here."""

from __future__ import annotations

from types import SimpleNamespace

import dns.exception
import dns.resolver
import pytest

from digest.delivery.records import text_records


def test_a_record_in_several_strings_is_one_text(monkeypatch):
    records = [SimpleNamespace(strings=(b"v=spf1 ", b"-all")), SimpleNamespace(strings=(b"caf\xe9",))]
    monkeypatch.setattr(dns.resolver, "resolve", lambda *_, **__: records)
    assert text_records("example.org") == ("v=spf1 -all", "caf\ufffd")


@pytest.mark.parametrize("error", [dns.resolver.NXDOMAIN, dns.resolver.NoAnswer])
def test_a_name_without_records_has_none(monkeypatch, error):
    def resolve(*_: object, **__: object) -> object:
        raise error.__new__(error)

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    assert text_records("example.org") == ()


def test_without_a_resolver_nothing_is_claimed(monkeypatch):
    def resolve(*_: object, **__: object) -> object:
        raise dns.exception.Timeout

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    with pytest.raises(OSError, match="no resolver answers"):
        text_records("example.org")
