"""Stage 1: the world becomes a ParsedFeed.

One file a kind (request and parse); only ``asking`` and ``workers`` do I/O.
"""
