"""guard: every spelling of an inner address is refused, public addresses are not."""

from __future__ import annotations

import pytest

from digest.sources.asking.guard import is_public, public_only


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:7f00:1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "not an address",
        "",
    ],
)
def test_an_address_inside_somebodys_network_is_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14"])
def test_an_address_of_the_open_internet_is_public(address: str):
    assert is_public(address)


def test_of_a_mixed_answer_only_the_public_addresses_are_kept_in_order():
    assert public_only(["10.0.0.1", "93.184.215.14", "::1", "93.184.215.15"]) == ("93.184.215.14", "93.184.215.15")
