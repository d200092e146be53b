"""Which addresses may be contacted: takes an IP address, says whether it is a public one. Pure.

A feed's address, or a redirect, may name a machine inside the operator's network (server-side request forgery). Names
are resolved elsewhere; here only the result is judged, so every spelling of an address (0x7f000001, 127.1) is judged
alike. Addresses that carry an IPv4 address inside an IPv6 one are judged by both: IPv4-mapped (RFC 4291), NAT64 (RFC
6052), 6to4 (RFC 3056), Teredo (RFC 4380).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
#: RFC 8215: translation prefixes are local by definition, so nothing in them is public.
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_IPV4_COMPATIBLE = IPv6Network("::/96")
_SITE_LOCAL = IPv6Network("fec0::/10")


def is_public(address: str) -> bool:
    """True if ``address`` (as a resolver gives it, a zone like ``%eth0`` allowed) is globally reachable unicast."""
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    return _is_public(parsed) and all(_is_public(inner) for inner in _embedded(parsed))


def public_only(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of a name's addresses that may be contacted, in the resolver's order."""
    return tuple(address for address in addresses if is_public(address))


def of_own_network(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those that a source of one's own network may have: any but link-local ones, where clouds keep their secrets."""
    return tuple(address for address in addresses if not _is_link_local(address))


def _is_link_local(address: str) -> bool:
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return True
    return any(one.is_link_local for one in (parsed, *_embedded(parsed), *_mapped(parsed)))


def _mapped(address: Address) -> Iterator[IPv4Address]:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        yield address.ipv4_mapped


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address in _NAT64_LOCAL or address in _SITE_LOCAL or address in _IPV4_COMPATIBLE:
            return False
        if address in _NAT64:
            return True  # the address inside decides
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: Address) -> Iterator[IPv4Address]:
    if not isinstance(address, IPv6Address):
        return
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
