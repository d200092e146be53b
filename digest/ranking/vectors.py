"""TF-IDF vectors of documents, hashed to a fixed width, so that cosines are one matrix product.

Takes a TextIndex and inverse document frequencies; gives rows of length one. A word's place and sign come from CRC-32
of the word (feature hashing, Weinberger et al. 2009), so vectors of different indexes can be compared.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from digest.ranking.text import Floats, TextIndex

WIDTH = 512


def document_frequencies(index: TextIndex) -> Mapping[str, int]:
    """In how many documents each word stands."""
    pairs = _pairs(index)[0] % max(1, len(index.terms))
    counts = np.bincount(pairs, minlength=len(index.terms))
    return dict(zip(index.terms, (int(count) for count in counts), strict=True))


def tfidf(index: TextIndex, frequencies: Mapping[str, int], documents: int) -> Floats:
    """One row a document of ``index``, weighted by frequencies counted over ``documents`` documents."""
    places, signs = np.empty(len(index.terms), np.int64), np.empty(len(index.terms))
    df = np.empty(len(index.terms))
    for number, term in enumerate(index.terms):
        hashed = zlib.crc32(term.encode())
        places[number], signs[number] = hashed % WIDTH, 1.0 if hashed & 0x8000_0000 else -1.0
        df[number] = frequencies.get(term, 0)
    idf = np.log((documents + 1.0) / (df + 1.0))
    keys, counts = _pairs(index)
    terms, docs = keys % max(1, len(index.terms)), keys // max(1, len(index.terms))
    values = (1.0 + np.log(counts)) * idf[terms] * signs[terms]
    flat = np.bincount(docs * WIDTH + places[terms], weights=values, minlength=index.count * WIDTH)
    rows = flat.reshape(index.count, WIDTH)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)


def _pairs(index: TextIndex) -> tuple[np.ndarray, np.ndarray]:
    """(document × terms + term, how often) of every word in every document."""
    real = index.tokens >= 0
    keys = index.docs[real].astype(np.int64) * max(1, len(index.terms)) + index.tokens[real]
    return np.unique(keys, return_counts=True)
