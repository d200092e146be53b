"""unpacking: a body comes out as it went in, a little at a time; bombs grow no further than a piece."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from digest.sources.asking.unpacking import Damaged, unpacked

TEXT = b"Harbour lights and how they dim. " * 5000


def bare(text: bytes) -> bytes:
    box = zlib.compressobj(wbits=-15)
    return box.compress(text) + box.flush()


def pieces(body: bytes, size: int):
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
@pytest.mark.parametrize(
    ("encodings", "body"),
    [
        ((), TEXT),
        (("identity",), TEXT),
        (("gzip",), gzip.compress(TEXT)),
        (("x-gzip",), gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        (("gzip",), gzip.compress(TEXT) + b"\0\0\0"),
        (("gzip",), gzip.compress(TEXT)[:-4]),
        (("deflate",), zlib.compress(TEXT)),
        (("deflate",), bare(TEXT)),
        (("deflate", "gzip"), gzip.compress(zlib.compress(TEXT))),
    ],
    ids=["none", "identity", "gzip", "two members", "padded", "no end", "deflate", "bare", "two"],
)
def test_what_was_compressed_comes_out_as_it_went_in(encodings, body, size):
    assert b"".join(unpacked(pieces(body, size), encodings)) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_not_compressed_is_damaged(encoding):
    with pytest.raises(Damaged):
        list(unpacked([b"<rss version='2.0'>"], [encoding]))


def test_a_bomb_grows_no_further_than_a_piece_before_it_is_looked_at():
    bomb = gzip.compress(bytes(200_000_000))
    tracemalloc.start()
    first = next(unpacked([bomb], ["gzip"]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(first) == 1_000_000
    assert most < 8_000_000


def test_an_empty_body_is_empty():
    assert list(unpacked([], ["gzip"])) == []
