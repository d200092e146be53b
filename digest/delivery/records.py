"""What the DNS says about a sender's domain: TXT records, for SPF (RFC 7208), DKIM (RFC 6376) and DMARC. Does I/O."""

from __future__ import annotations

_SECONDS = 4.0


def text_records(name: str) -> tuple[str, ...]:
    """The TXT records of a name, none where it has none. Raises OSError when no resolver answers."""
    # Only `digest doctor` asks, so only it waits for the import.
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except dns.exception.DNSException as error:
        raise OSError(f"no resolver answers: {type(error).__name__}") from error
    return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in answer)
