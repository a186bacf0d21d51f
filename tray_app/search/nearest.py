"""The nearest vectors, exactly, and the two directions in which vectors differ most. Pure; numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Live = npt.NDArray[np.bool_]

BLOCK_ROWS = 16_384
"""So many vectors are compared at once: their scores stay in the processor's cache."""

_MOST_SCORE = 1.01
"""Of two vectors of length 1, with all errors of rounding."""
_SPARE = 6
"""Directions that are followed besides the two wanted ones, so that these are found in a few rounds."""
_MOST_ROUNDS = 25
"""More are only needed where no direction stands out, and so none says more than another."""
_GOOD_ENOUGH = 1e-4


class Near(NamedTuple):
    """A vector that is near: the number of its part, its row there, the cosine of the angle."""

    part: int
    row: int
    score: float


def unit_vectors(vectors: Sequence[Sequence[float]]) -> Vectors:
    """The same with length 1. `ValueError` if one has no direction, or they differ in dimensions."""
    import numpy as np

    made = np.asarray(vectors, dtype=np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", made, made))
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise ValueError("a vector without a direction")
    unit: Vectors = (made / lengths[:, None]).astype(np.float32)
    return unit


def nearest(parts: Iterable[tuple[Vectors, Live | None]], query: Vectors, limit: int) -> list[Near]:
    """The nearest of all vectors that are live, the best first; of equals the earlier ones.

    `query` and all vectors have length 1; one that has not, as in a damaged file, is left out.
    """
    import numpy as np

    best: list[Near] = []
    for number, (vectors, live) in enumerate(parts):
        for begin in range(0, len(vectors), BLOCK_ROWS):
            end = begin + BLOCK_ROWS
            # As fast as memory is, on one thread. `@` would take all cores for the same, which an engine has.
            scores = np.vecdot(vectors[begin:end], query)
            scores[~(np.abs(scores) < _MOST_SCORE)] = -np.inf
            if live is not None:
                scores[~live[begin:end]] = -np.inf
            best += [
                Near(number, begin + int(row), float(scores[row]))
                for row in _highest(scores, limit)
                if scores[row] > -np.inf
            ]
        best = sorted(best, key=lambda each: -each.score)[:limit]
    return best


def _highest(scores: Vectors, limit: int) -> npt.NDArray[np.intp]:
    """The rows of the highest scores, in order of rows; of equals at the limit the earlier ones."""
    import numpy as np

    if limit >= len(scores):
        return np.arange(len(scores))
    least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    above = np.flatnonzero(scores > least)
    equal = np.flatnonzero(scores == least)[: limit - len(above)]
    return np.sort(np.concatenate((above, equal)))


def flat_map(vectors: Vectors, others: Vectors | None = None) -> tuple[Vectors, tuple[float, float]]:
    """The vectors' places along their first two principal components, and the share of the variance of each.

    After them come the places of `others`, which have no part in what the components are.

    Found by subspace iteration, which takes milliseconds where all components would take seconds. The same
    vectors always give the same places: the start is fixed, and of two directions that are opposite, the one
    in which the largest number is positive is taken.
    """
    import numpy as np

    count, dimensions = vectors.shape
    if others is None:
        others = np.zeros((0, dimensions), dtype=np.float32)
    points = np.zeros((count + len(others), 2), dtype=np.float32)
    if count == 0:
        return points, (0.0, 0.0)
    centred = np.clip(np.nan_to_num(vectors), -1, 1)  # others than of length 1 are in damaged files alone
    mean = centred.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred -= mean
    total = float(np.vdot(centred, centred))
    if total <= np.finfo(np.float32).eps * count:  # all alike
        return points, (0.0, 0.0)
    width = min(2 + _SPARE, count, dimensions)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((dimensions, width), dtype=np.float32))[0]
    before = np.zeros(width)
    for _ in range(_MOST_ROUNDS):
        shown = centred @ basis
        variances = np.linalg.eigvalsh(shown.T @ shown)
        if np.allclose(variances[-2:], before[-2:], rtol=_GOOD_ENOUGH, atol=0):
            break
        before = variances
        basis = np.linalg.qr(centred.T @ shown)[0]
    _, lengths, turned = np.linalg.svd(centred @ basis, full_matrices=False)
    directions = (basis @ turned.T)[:, :2]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), range(directions.shape[1])])
    points[:count, : directions.shape[1]] = centred @ (directions * signs)
    points[count:, : directions.shape[1]] = (others - mean) @ (directions * signs)
    shares = [*(lengths[:2] ** 2 / total), 0.0]
    return points, (float(shares[0]), float(shares[1]))
