"""What papers mean to a model of sentences: read once, kept, and read again when the text or the model changes."""

from __future__ import annotations

from dataclasses import replace

from digest.model.ranking import Evidence
from digest.services.learning.meaning import Meaning
from digest.storage import embeddings, entries
from tests.storage.papers import SLOT_AT, new_paper


class Counting:
    """A model that remembers what it was asked to read."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.read: list[str] = []

    def embed(self, texts):
        self.read += texts
        return tuple(f"{self.id}{len(text):04}".encode() for text in texts)


def held(store, *numbers):
    with store.transaction() as tx:
        return entries.load(tx, entries.apply(tx, [new_paper(number) for number in numbers], now=SLOT_AT))


def test_without_a_model_the_evidence_is_left_alone(store):
    evidence = Evidence()
    assert Meaning(store=store, load=None).added(evidence, ()) is evidence


def test_a_paper_is_read_once_however_often_it_is_ranked(store):
    first, second = held(store, 1, 2)
    model = Counting("one")
    found = Meaning(store=store, load=lambda: model).added(Evidence(history=(first,)), [second])
    assert set(found.vectors) == {first.work, second.work}
    assert found.embed is not None
    assert found.embed("a topic") == b"one0007"
    again = Counting("one")
    assert Meaning(store=store, load=lambda: again).added(Evidence(), [second, first]).vectors == found.vectors
    assert again.read == []


def test_a_changed_text_is_read_again_and_the_old_vector_is_replaced(store):
    (paper,) = held(store, 1)
    Meaning(store=store, load=lambda: Counting("one")).added(Evidence(), [paper])
    model = Counting("one")
    revised = replace(paper, abstract="Longer than it was, by far.")
    found = Meaning(store=store, load=lambda: model).added(Evidence(), [revised])
    assert model.read == [f"{revised.title}\n{revised.abstract}"]
    with store.reading() as tx:
        kept = embeddings.held(tx, "one", [paper.id])
    assert kept[paper.id][1] == found.vectors[paper.work]


def test_another_model_reads_for_itself_and_takes_the_place(store):
    (paper,) = held(store, 1)
    Meaning(store=store, load=lambda: Counting("one")).added(Evidence(), [paper])
    found = Meaning(store=store, load=lambda: Counting("two")).added(Evidence(), [paper])
    assert found.vectors[paper.work].startswith(b"two")
    with store.reading() as tx:
        assert embeddings.held(tx, "one", [paper.id]) == {}


def test_the_model_is_loaded_once_and_only_when_needed(store):
    (paper,) = held(store, 1)
    loaded = []

    def load():
        loaded.append(1)
        return Counting("one")

    meaning = Meaning(store=store, load=load)
    assert loaded == []
    meaning.added(Evidence(), [paper])
    meaning.added(Evidence(), [paper])
    assert loaded == [1]
