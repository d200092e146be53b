"""Stage 1: the world becomes a ParsedFeed.

One file a kind (request and parse); only ``fetch``, ``network`` and ``files`` do I/O.
"""
