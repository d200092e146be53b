"""What is like the papers a reader liked, what is like those the reader did not, and what a learnt profile leans on."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from digest.model.people import Profile
from digest.model.ranking import Evidence
from digest.ranking.library import library_of
from digest.ranking.pool import Pool
from digest.ranking.query import Answer, answer
from digest.ranking.signals.topic import measure
from digest.ranking.taste import SPREAD, joined, lean, likeness
from tests.ranking.samples import NOW, TITLES, paper

FIELDS = {
    field: words.split()
    for field, words in (
        ("bees", "bee hive pollen nectar swarm queen colony honey wax forage drone brood"),
        ("rails", "railway track locomotive signal station carriage gauge tunnel freight timetable platform sleeper"),
        ("proofs", "theorem lemma proof axiom logic tactic kernel induction prover term reduction calculus"),
    )
}


def text(field, seed, *, without=()):
    """A made-up abstract of a field: some of its words, among words of no field."""
    chance = random.Random(f"{field}{seed}")
    own = [word for word in FIELDS[field] if word not in without]
    filler = [f"filler{chance.randrange(400)}" for _ in range(20)]
    said = chance.sample(own, 5) + filler
    chance.shuffle(said)
    return " ".join(said)


def about(field, number, *, without=(), **said):
    return paper(number, title=f"Untitled {number}", abstract=text(field, number, without=without), **said)


@pytest.fixture(scope="module")
def history():
    """Twenty papers of each field, and 400 of none."""
    told = [about(field, 1000 + 100 * n + i, authors=()) for n, field in enumerate(FIELDS) for i in range(20)]
    chance = random.Random(7)
    rest = [" ".join(f"filler{chance.randrange(400)}" for _ in range(25)) for _ in range(400)]
    return (*told, *(paper(2000 + n, title="Untitled", abstract=text, authors=()) for n, text in enumerate(rest)))


def pool_of(*entries, history=(), **evidence):
    return Pool(entries, now=NOW, evidence=Evidence(history=tuple(history), **evidence))


def shares(pool, which=0, **said):
    found = likeness(pool, Profile(**said))[which]
    return {entry.work: float(share) for entry, share in zip(pool.entries, found, strict=True)}


def works(history, field, count):
    start = 20 * list(FIELDS).index(field)
    return tuple(entry.work for entry in history[start : start + count])


@pytest.mark.parametrize("likes", [1, 2, 3, 5])
def test_papers_of_the_liked_field_come_first(history, likes):
    candidates = [about(field, n, authors=()) for n, field in enumerate(list(FIELDS) * 5)]
    found = shares(pool_of(*candidates, history=history), likes=works(history, "rails", likes))
    best = sorted(candidates, key=lambda entry: -found[entry.work])[:5]
    assert {entry.id % 3 for entry in best} == {1}


def test_a_paper_without_a_common_word_is_found_by_its_theme(history):
    liked = next(entry for entry in history if "bee" in entry.abstract.split())
    other = [word for word in FIELDS["bees"] if word not in liked.abstract.split()]
    near = paper(1, title="Untitled", abstract=" ".join(other), authors=())
    far = paper(2, title="Untitled", abstract=" ".join(FIELDS["rails"][:7]), authors=())
    found = shares(pool_of(near, far, history=history), likes=(liked.work,))
    assert found[near.work] > found[far.work]


def test_nothing_is_learnt_of_nothing(history):
    pool = pool_of(about("bees", 1), history=history)
    assert shares(pool) == {"arxiv:2506.00001": 0.0}
    assert shares(pool, likes=("arxiv:9999.00001",), dislikes=("arxiv:9999.00002",)) == {"arxiv:2506.00001": 0.0}
    assert lean(pool, Profile()) == ((), ())


def test_an_empty_pool_is_answered():
    liked, disliked = likeness(pool_of(), Profile(likes=("arxiv:2506.00001",)))
    assert len(liked) == len(disliked) == 0


def test_a_handful_of_papers_without_history_is_enough_to_compare():
    pool = pool_of(*(paper(n, authors=()) for n in range(12)), paper(13, title=TITLES[1], authors=()))
    found = shares(pool, likes=("arxiv:2506.00001",))
    assert max((work for work in found if work != "arxiv:2506.00001"), key=found.__getitem__) == "arxiv:2506.00013"
    assert all(np.isfinite(share) for share in found.values())


def test_what_is_both_liked_and_disliked_teaches_nothing(history):
    pool = pool_of(about("bees", 1), about("rails", 2), history=history)
    bees, rails = works(history, "bees", 1), works(history, "rails", 1)
    both = shares(pool, likes=bees + rails, dislikes=rails)
    assert both == shares(pool, likes=bees)
    assert shares(pool, likes=rails, dislikes=rails) == dict.fromkeys(both, 0.0)


def test_likes_are_a_set_and_papers_come_in_any_order(history):
    candidates = [about(field, n) for n, field in enumerate(list(FIELDS) * 4)]
    likes = works(history, "proofs", 4)
    one = shares(pool_of(*candidates, history=history), likes=likes)
    other = shares(pool_of(*candidates[::-1], history=history[::-1]), likes=(*likes[::-1], likes[0]))
    assert one == other


def test_dislikes_lower_what_is_like_them_and_say_so(history):
    bee = about("bees", 1, authors=())
    mixed = paper(2, title="Untitled", abstract=f"{text('bees', 2)} {text('rails', 2)}", authors=())
    pool = pool_of(bee, mixed, *(about("proofs", n) for n in range(3, 20)), history=history)
    likes, dislikes = works(history, "bees", 2), works(history, "rails", 2)
    assert shares(pool, likes=likes, dislikes=dislikes)[mixed.work] < shares(pool, likes=likes)[mixed.work]
    rail = about("rails", 30, authors=())
    told = shares(pool_of(bee, rail, history=history), 1, likes=likes, dislikes=dislikes)
    assert told[rail.work] > 0.3
    assert told[bee.work] == 0.0


def test_an_author_of_a_liked_paper_is_a_small_help(history):
    liked = about("bees", 500, authors=("Moreno, Ada", "Li Wei"))
    hers, nobodys = about("bees", 1, authors=("Ada Moreno",)), about("bees", 1, authors=("Somebody Else",))
    with_her, without = (
        shares(pool_of(entry, history=(*history, liked)), likes=(liked.work,))[entry.work] for entry in (hers, nobodys)
    )
    assert without < with_her < 1.0


def test_the_more_of_the_likes_are_an_authors_the_more_the_author_counts(history):
    others = [about("bees", 500 + n, authors=(f"Guest {'ABC'[n]}",)) for n in range(3)]
    hers = about("bees", 1, authors=("Ada Moreno",))
    found = []
    for count in range(4):
        liked = [replace(entry, authors=("Ada Moreno", *entry.authors)) for entry in others[:count]] + others[count:]
        pool = pool_of(hers, about("rails", 2), history=(*history, *liked))
        found.append(shares(pool, likes=tuple(entry.work for entry in liked))[hers.work])
    odds = np.log(np.array(found) / (1.0 - np.array(found))) * SPREAD
    # 1.5 m squared / 3 standard deviations, 4 at most.
    assert odds[1:] - odds[0] == pytest.approx([0.5, 2.0, 4.0], abs=1e-3)


def test_a_share_says_the_same_whatever_a_paper_is_listed_with(history):
    long = (*history, *(about(field, 5000 + n) for n, field in enumerate(list(FIELDS) * 20)))
    wanted, likes = about("bees", 1, authors=()), works(history, "bees", 2)
    quiet = pool_of(wanted, *(about("rails", n) for n in range(2, 22)), history=long)
    busy = pool_of(wanted, *(about("bees", n) for n in range(2, 22)), history=long)
    assert shares(quiet, likes=likes)[wanted.work] == pytest.approx(shares(busy, likes=likes)[wanted.work], abs=0.1)


def test_a_learnt_profile_shows_the_words_and_the_people_it_leans_on(history):
    mine = [about("bees", n, authors=("Ada Moreno", f"Guest {'ABC'[n]}")) for n in range(3)]
    pool = pool_of(about("proofs", 50), history=(*history, *mine))
    profile = Profile(likes=tuple(entry.work for entry in mine), dislikes=works(history, "rails", 2))
    words, people = lean(pool, profile)
    assert len(words) == 10
    assert set(words) & set(FIELDS["bees"])
    assert not set(words) & set(FIELDS["rails"])
    assert people == ("Ada Moreno", "Guest A", "Guest B", "Guest C")


def test_a_configured_model_has_its_say(history):
    alike, unlike = about("rails", 1, authors=()), about("rails", 2, authors=())
    liked = history[0]
    east, north = np.array([1.0, 0.0], "<f4").tobytes(), np.array([0.0, 1.0], "<f4").tobytes()
    vectors = {entry.work: north for entry in history[1:]} | {liked.work: east, alike.work: east, unlike.work: north}
    some = {**vectors, history[5].work: np.array([0.6, 0.8], "<f4").tobytes()}
    found = shares(pool_of(alike, unlike, history=history, vectors=some), likes=(liked.work,))
    assert found[alike.work] > found[unlike.work] + 0.2


def test_a_vector_of_another_width_is_left_out(history):
    odd = {history[0].work: b"\0" * 8, history[1].work: b"\0" * 16}
    meanings = library_of(pool_of(about("rails", 1), history=history, vectors=odd)).meanings
    assert meanings.shape == (1 + len(history), 4)


def test_the_general_digest_builds_no_library(history):
    pool = pool_of(about("bees", 1), history=history)
    likeness(pool, Profile(keywords=("bee",)))
    assert library_of not in pool._shared


def test_liked_papers_in_the_yardstick_do_not_move_it(history):
    candidates = tuple(replace(about("bees", n), authors=()) for n in range(4))
    bare = pool_of(*candidates, history=history)
    found = shares(bare, likes=works(history, "bees", 20))
    assert all(share > 0.2 for share in found.values())


def together(pool, **said):
    """The shares of the whole topic part."""
    found = measure(pool, Profile(**said)).share
    return {entry.work: float(share) for entry, share in zip(pool.entries, found, strict=True)}


def of_topic(shares, earlier=()):
    near = np.array(shares)
    return Answer(share=near, earlier=np.array(earlier, np.float32), near=near >= 0.5, best=0.0, cut=1.0)


def test_a_paper_of_the_topic_that_is_like_the_liked_ones_comes_first(history):
    bees = paper(1, title="Untitled", abstract=text("bees", 1), authors=())
    rails = paper(2, title="Untitled", abstract=text("rails", 2), authors=())
    both = paper(3, title="Untitled", abstract=f"{text('bees', 3)} {text('rails', 3)}", authors=())
    pool = pool_of(bees, rails, both, *(about("proofs", n, authors=()) for n in range(4, 20)), history=history)
    found = together(pool, topics=("railway track signal station",), likes=works(history, "bees", 2))
    assert found[both.work] > max(found[bees.work], found[rails.work])
    assert min(found[bees.work], found[rails.work]) > found["arxiv:2506.00004"]


def test_likes_order_the_papers_of_a_topic(history):
    """Two papers of the same words of the topic; one is like what was liked besides."""
    topic = "pollen nectar"
    plain, wanted = (
        paper(n, title="Pollen nectar", abstract=f"pollen nectar {said}", authors=())
        for n, said in ((1, " ".join(FIELDS["proofs"][:6])), (2, " ".join(FIELDS["rails"][:6])))
    )
    pool = pool_of(plain, wanted, history=history)
    liked = works(history, "rails", 3)
    assert answer(pool, topic).near.all()
    found = together(pool, topics=(topic,), likes=liked)
    assert found[wanted.work] > found[plain.work] + 0.1
    figures = measure(pool, Profile(topics=(topic,), likes=liked)).figures
    told = {entry.work: figures(row) for row, entry in enumerate(pool.entries)}
    assert told[wanted.work]["liked"] >= 0.1 > told[plain.work]["unlike"]


def test_topics_weigh_more_where_the_likes_are_of_them(history):
    pool = pool_of(about("rails", 1, authors=()), about("proofs", 2, authors=()), history=history)
    likes = works(history, "bees", 5)
    known = {entry.work: row for row, entry in enumerate(pool.history.entries)}
    of_them, not_of_them = np.zeros(len(history)), np.zeros(len(history))
    of_them[[known[work] for work in likes]] = 1.0
    profile, liked = Profile(likes=likes), np.array([0.15, 0.15])
    agreeing, other = (joined(pool, profile, liked, [of_topic([0.6, 0.0], one)]) for one in (of_them, not_of_them))
    assert agreeing[0] > other[0] > other[1]
    # Beside five likes that are not of it, 0.6 of a topic is worth 0.75 / sqrt(5) times 6 times 0.6 deviations.
    odds = [share / (0.7 - share) for share in other]
    assert np.log(odds[0] / odds[1]) * SPREAD == pytest.approx(0.75 / 5**0.5 * 6.0 * 0.6, abs=1e-4)


def test_a_topic_keeps_some_of_its_share_whatever_is_liked(history):
    pool = pool_of(about("rails", 1, authors=()), history=history)
    likes, none = works(history, "bees", 20), np.zeros(len(history))
    found = joined(pool, Profile(likes=likes), np.array([1e-6]), [of_topic([0.9], none)])
    assert found == pytest.approx([0.4 * 0.9])


def test_the_nearer_to_a_topic_or_the_more_liked_the_higher_the_share(history):
    pool = pool_of(*(about("rails", n, authors=()) for n in range(50)), history=history)
    profile, none = Profile(likes=works(history, "bees", 2)), np.full(len(history), 0.3)
    rising = np.linspace(0.0, 1.0, 50)
    for fixed in (0.0, 0.3, 0.999999999):
        by_topic = joined(pool, profile, np.full(50, fixed), [of_topic(rising, none)])
        by_likes = joined(pool, profile, rising, [of_topic(np.full(50, fixed), none)])
        for found in (by_topic, by_likes):
            assert (np.diff(found) >= 0.0).all()
            assert 0.0 <= found.min() <= found.max() <= 1.0


def test_topics_alone_and_likes_alone_are_what_they_were(history):
    candidates = [about(field, n, authors=()) for n, field in enumerate(list(FIELDS) * 3)]
    pool, topic, likes = pool_of(*candidates, history=history), "railway track", works(history, "rails", 2)
    assert measure(pool, Profile(topics=(topic,))).share == pytest.approx(answer(pool, topic).share)
    unknown = measure(pool, Profile(topics=(topic,), likes=("arxiv:9999.00001",))).share
    assert unknown == pytest.approx(answer(pool, topic).share)
    assert measure(pool, Profile(likes=likes)).share == pytest.approx(0.7 * likeness(pool, Profile(likes=likes))[0])


def test_one_more_keyword_never_lowers_a_paper_beside_topic_and_likes(history):
    candidates = [about(field, n, authors=()) for n, field in enumerate(list(FIELDS) * 5)]
    pool = pool_of(*candidates, history=history)
    said = {"topics": ("railway signal", "axiom"), "likes": works(history, "bees", 3), "keywords": ("honey",)}
    before, after = together(pool, **said), together(pool, **{**said, "keywords": ("honey", "tunnel")})
    assert all(after[work] >= before[work] for work in before)
    assert sum(after[work] > before[work] for work in before) >= 1


def test_a_topic_alone_builds_no_library(history):
    pool = pool_of(about("bees", 1), history=history)
    measure(pool, Profile(topics=("pollen and nectar",)))
    assert library_of not in pool._shared
