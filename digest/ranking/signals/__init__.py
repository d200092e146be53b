"""The registry of signals, in the order in which parts are shown.

A new one is a file beside these and a line here.
"""

from __future__ import annotations

from digest.ranking.signals.base import Column, Signal
from digest.ranking.signals.novelty import NOVELTY
from digest.ranking.signals.people import PEOPLE
from digest.ranking.signals.topic import TOPIC
from digest.ranking.signals.trend import TREND

SIGNALS: tuple[Signal, ...] = (TREND, TOPIC, PEOPLE, NOVELTY)

__all__ = ["SIGNALS", "Column", "Signal"]
