"""

part of the score -> the English sentence that says what it was computed from (rendering has its own languages).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from digest.model.editions import Figure, Part


def why(part: Part) -> str:
    """Like "128 votes in 21 h, on the way to about 190"."""
    say = _SENTENCES.get(part.key)
    return say(part.figures) if say else ""


def _trend(figures: Mapping[str, Figure]) -> str:
    if "votes" not in figures:
        percent = 100.0 * _number(figures, "probability")
        return (
            f"no votes here; a chance of {percent:.0f} % to be featured on Hugging Face"
            if percent >= 1
            else ("no votes here; a chance below 1 % to be featured on Hugging Face")
        )
    votes, expected = int(_number(figures, "votes")), max(1, round(_number(figures, "expected")))
    counted = f"{votes} vote{'' if votes == 1 else 's'} in {_age(_number(figures, 'hours'))}"
    return f"{counted}, on the way to about {expected}" if expected > votes else f"{counted}, about all it will get"


def _topic(figures: Mapping[str, Figure]) -> str:
    said: list[str] = []
    if keywords := _texts(figures, "keywords"):
        said.append(f"your keyword{'' if len(keywords) == 1 else 's'} {_listed(keywords)}")
    if topics := _texts(figures, "topics"):
        said.append(f"near your topic{'' if len(topics) == 1 else 's'} {_listed(topics)}")
    if "liked" in figures:
        said.append(f"like papers you liked ({100.0 * _number(figures, 'liked'):.0f} %)")
    elif "unlike" in figures:
        said.append(f"but little like papers you liked ({100.0 * _number(figures, 'unlike'):.0f} %)")
    if "disliked" in figures:
        share = f"({100.0 * _number(figures, 'disliked'):.0f} %)"
        said.append(f"but like papers you did not {share}" if said else f"like papers you did not like {share}")
    if said:
        return ", ".join(said)
    if closeness := _number(figures, "closeness"):
        far = f"{100.0 * closeness:.0f} % of the way to your topics"
        quiet = _texts(figures, "quiet")
        return f"{far}; nothing today is near {_listed(quiet)}" if quiet else far
    return "none of your keywords and topics"


def _people(figures: Mapping[str, Figure]) -> str:
    said = [
        f"by {_listed(authors)}" if (authors := _texts(figures, "authors")) else "",
        f"from {_listed(institutions)}" if (institutions := _texts(figures, "institutions")) else "",
    ]
    for author, doubt in zip(_texts(figures, "perhaps"), _texts(figures, "doubts"), strict=False):
        said.append(f"perhaps {author} ({_DOUBTS.get(doubt, doubt)})")
    return ", ".join(text for text in said if text) or "nobody you follow"


_DOUBTS = {"initial": "only the initial agrees", "common": "a common name"}


def _novelty(figures: Mapping[str, Figure]) -> str:
    if "share" not in figures:
        return "too little history to compare with"
    share = f"stands freer than {100.0 * _number(figures, 'share'):.0f} % of its nearest earlier papers"
    neighbour = figures.get("neighbour")
    return f"{share}; the nearest is “{neighbour}”" if neighbour else share


_SENTENCES: Mapping[str, Callable[[Mapping[str, Figure]], str]] = {
    "trend": _trend,
    "topic": _topic,
    "people": _people,
    "novelty": _novelty,
}


def _age(hours: float) -> str:
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def _listed(texts: tuple[str, ...]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _number(figures: Mapping[str, Figure], key: str) -> float:
    value = figures.get(key, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _texts(figures: Mapping[str, Figure], key: str) -> tuple[str, ...]:
    value = figures.get(key, ())
    return value if isinstance(value, tuple) else ()
