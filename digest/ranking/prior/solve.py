"""The two regressions of the prior, in numpy: few dense columns exactly, many sparse ones by conjugate gradients.

Ridge regression and L2-penalised logistic regression by Newton's method (iteratively reweighted least squares); the
intercept is never penalised. Every result is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.ranking.text import Floats

Places = NDArray[np.int64]

_NEWTON_STEPS = 12
_GRADIENT_STEPS = 60
_CLOSE = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Sparse:
    """Rows of ones at some columns, each row divided by the root of its number of ones (at least 10)."""

    rows: Places
    columns: Places
    count: int
    width: int
    scale: Floats

    def times(self, weights: Floats) -> Floats:
        return self.scale * _sums(self.rows, weights[self.columns], self.count)

    def transposed_times(self, values: Floats) -> Floats:
        return _sums(self.columns, (values * self.scale)[self.rows], self.width)

    def column_counts(self) -> Floats:
        return np.bincount(self.columns, minlength=self.width).astype(np.float64)


def sparse(documents: Sequence[Places], width: int) -> Sparse:
    """``documents`` are the columns of each row."""
    sizes = np.array([len(one) for one in documents], np.int64)
    columns = np.concatenate(documents) if len(documents) else np.zeros(0, np.int64)
    return Sparse(
        rows=np.repeat(np.arange(len(documents), dtype=np.int64), sizes),
        columns=columns,
        count=len(documents),
        width=width,
        scale=1.0 / np.sqrt(np.maximum(sizes, 10.0)),
    )


def logistic(values: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * values))


def sparse_ridge(table: Sparse, target: Floats, penalty: float) -> tuple[float, Floats]:
    """(intercept, weights) that minimise the squared error plus ``penalty`` times the squared weights."""
    level = float(target.mean())
    start = np.zeros(table.width + 1)
    step = _descend(table, np.ones(table.count), penalty, _gradient(table, target - level), start)
    return level + float(step[0]), step[1:]


def sparse_logistic(table: Sparse, target: Floats, penalty: float) -> tuple[float, Floats]:
    """(intercept, weights) that minimise the log loss plus half of ``penalty`` times the squared weights."""
    base = (target.sum() + 0.5) / (len(target) + 1.0)
    both = np.zeros(table.width + 1)
    both[0] = np.log(base / (1.0 - base))
    for _ in range(_NEWTON_STEPS):
        chance = logistic(both[0] + table.times(both[1:]))
        slope = _gradient(table, target - chance)
        slope[1:] -= penalty * both[1:]
        step = _descend(table, np.maximum(chance * (1.0 - chance), 1e-6), penalty, slope, np.zeros_like(both))
        both = both + step
        if np.abs(step).max() < _CLOSE:
            break
    return float(both[0]), both[1:]


def dense_ridge(table: Floats, target: Floats, penalty: float) -> tuple[float, Floats]:
    """As ``sparse_ridge``, of columns that are brought to mean 0 and spread 1 first; weights are for them as given."""
    return _dense(table, lambda _: (target, np.ones(len(target))), penalty, steps=1)


def dense_logistic(table: Floats, target: Floats, penalty: float) -> tuple[float, Floats]:
    """As ``sparse_logistic``, of columns that are brought to mean 0 and spread 1 first."""

    def working(now: Floats) -> tuple[Floats, Floats]:
        chance = logistic(now)
        weight = np.maximum(chance * (1.0 - chance), 1e-6)
        return now + (target - chance) / weight, weight

    return _dense(table, working, penalty, steps=_NEWTON_STEPS)


def level(logits: Floats, target: Floats, start: float) -> float:
    """The intercept with which the chances add up to the events; ``start`` where none or all of them happened."""
    if not 0.0 < target.sum() < len(target):
        return start
    intercept = start
    for _ in range(_NEWTON_STEPS):
        chance = logistic(intercept + logits)
        intercept += float((target - chance).sum() / np.maximum(chance * (1.0 - chance), 1e-6).sum())
    return intercept


def _dense(
    table: Floats, working: Callable[[Floats], tuple[Floats, Floats]], penalty: float, *, steps: int
) -> tuple[float, Floats]:
    middle, spread = table.mean(axis=0), table.std(axis=0)
    # A column that never varies says nothing; neither may rounding make it speak.
    speaks = spread > 1e-9
    spread = np.where(speaks, spread, 1.0)
    ones = np.column_stack((np.ones(len(table)), (table - middle) / spread * speaks))
    penalties = np.full(ones.shape[1], penalty)
    penalties[0] = 1e-9
    both = np.zeros(ones.shape[1])
    for _ in range(steps):
        target, weight = working(ones @ both)
        normal = (ones * weight[:, None]).T @ ones + np.diag(penalties)
        both = np.linalg.solve(normal, ones.T @ (weight * target))
    weights = both[1:] / spread * speaks
    return float(both[0] - weights @ middle), weights


def _sums(places: Places, values: Floats, count: int) -> Floats:
    """The values added up by place."""
    return np.bincount(places, weights=values, minlength=count).astype(np.float64)


def _gradient(table: Sparse, rest: Floats) -> Floats:
    return np.concatenate(([rest.sum()], table.transposed_times(rest)))


def _descend(table: Sparse, weight: Floats, penalty: float, wanted: Floats, start: Floats) -> Floats:
    """Solves (X' W X + penalty) step = wanted by conjugate gradients (Hestenes and Stiefel 1952)."""

    def apply(step: Floats) -> Floats:
        moved = weight * (step[0] + table.times(step[1:]))
        result = _gradient(table, moved)
        result[1:] += penalty * step[1:]
        return result

    # Jacobi: the intercept's curvature is thousands of times that of a word.
    diagonal = np.full(len(wanted), penalty + 1e-9)
    diagonal[0] = weight.sum()
    diagonal[1:] += _sums(table.columns, (weight * table.scale**2)[table.rows], table.width)
    step, rest = start.copy(), wanted - apply(start)
    toward = rest / diagonal
    direction, size = toward.copy(), float(rest @ toward)
    goal = size * _CLOSE**2
    for _ in range(_GRADIENT_STEPS):
        if size <= goal or size == 0.0:
            break
        applied = apply(direction)
        length = size / float(direction @ applied)
        step += length * direction
        rest -= length * applied
        toward = rest / diagonal
        before, size = size, float(rest @ toward)
        direction = toward + size / before * direction
    return step
