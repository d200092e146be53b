"""From a model's files through the store to a ranking: what a liked paper means lifts what means the same."""

from __future__ import annotations

from digest.model.people import Profile
from digest.model.ranking import Evidence
from digest.ranking.pool import Pool
from digest.ranking.query import answer
from digest.ranking.semantic import load
from digest.ranking.taste import likeness
from digest.services.learning.meaning import Meaning
from digest.storage import entries
from tests.ranking import tiny_model
from tests.storage.papers import SLOT_AT, new_paper

#: To the tiny model bee and hive mean the same, rail and station something else; no two papers share a word.
TEXTS = ("bee", "hive", "rail", *(f"word{n} station" if n % 2 else f"word{n}" for n in range(20)))


def test_a_paper_that_means_the_same_is_like_a_liked_one_without_a_common_word(store, tmp_path):
    with store.transaction() as tx:
        changes = [new_paper(n, title=f"t{n}", abstract=text, authors=()) for n, text in enumerate(TEXTS)]
        liked, same, other, *rest = entries.load(tx, entries.apply(tx, changes, now=SLOT_AT))
    tiny_model.write(tmp_path / "tiny")
    meaning = Meaning(store=store, load=lambda: load("tiny", tmp_path))
    evidence = meaning.added(Evidence(history=(liked, *rest)), [same, other])
    pool = Pool([same, other], now=SLOT_AT, evidence=evidence)
    found, _ = likeness(pool, Profile(likes=(liked.work,)))
    shares = {entry.work: share for entry, share in zip(pool.entries, found, strict=True)}
    assert shares[same.work] > shares[other.work]
    bare = Pool([same, other], now=SLOT_AT, evidence=Evidence(history=(liked, *rest)))
    assert len(set(likeness(bare, Profile(likes=(liked.work,)))[0])) == 1


def test_a_topic_finds_what_means_the_same_without_a_common_word(store, tmp_path):
    texts = ("hive", "rail", *(f"word{n} station" if n % 2 else f"word{n}" for n in range(260)))
    with store.transaction() as tx:
        changes = [new_paper(n, title=f"t{n}", abstract=text, authors=()) for n, text in enumerate(texts)]
        same, other, *rest = entries.load(tx, entries.apply(tx, changes, now=SLOT_AT))
    tiny_model.write(tmp_path / "tiny")
    meaning = Meaning(store=store, load=lambda: load("tiny", tmp_path))
    known = Evidence(history=tuple(rest))
    pool = Pool([same, other], now=SLOT_AT, evidence=meaning.added(known, [same, other]))
    shares = dict(zip((entry.work for entry in pool.entries), answer(pool, "bee").share, strict=True))
    assert shares[same.work] > 0.5 > shares[other.work]
    bare = Pool([same, other], now=SLOT_AT, evidence=known)
    assert answer(bare, "bee").best == 0.0
