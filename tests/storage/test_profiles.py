"""A profile comes back from its JSON as it was."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from digest.model.people import Mutes, Profile, Weights
from digest.storage.profiles import profile_from

FULL = Profile(
    categories=(("cs.CL", 3.0), ("cs.LG", 1.0)),
    seats=(("cs.CL", 1, 4), ("cs.LG", 0, None)),
    authors=("Ada Moreno",),
    mute=Mutes(keywords=("survey",)),
    weights=Weights(trend=1.0),
)


@pytest.mark.parametrize("profile", [Profile(), FULL])
def test_a_profile_survives_the_store(profile):
    assert profile_from(json.loads(json.dumps(asdict(profile)))) == profile
    assert profile_from(json.loads(profile.canonical())) == profile


def test_bounds_make_another_profile_and_their_absence_none():
    assert "seats" not in json.loads(Profile().canonical())
    assert FULL.key != replace(FULL, seats=()).key
