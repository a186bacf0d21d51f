"""The nearest vectors are those that a comparison with all gives; the map is that of all components."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray_app.search import nearest as module
from tray_app.search.nearest import Near, flat_map, nearest, unit_vectors

Vectors = npt.NDArray[np.float32]


def some(count: int, dimensions: int = 8, seed: int = 0) -> Vectors:
    return unit_vectors(np.random.default_rng(seed).standard_normal((count, dimensions)).tolist())


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 50),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_it_finds_what_a_comparison_with_all_finds(
    sizes: list[int], limit: int, block: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    # Few different numbers, so that many are equal.
    parts = [unit_vectors(np.add(random.integers(-1, 2, (size, 3)), [0, 0, 2]).tolist()) for size in sizes]
    live = [random.random(size) < 0.7 for size in sizes]
    query = some(1, 3, seed)[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_ROWS", block)
        found = nearest(zip(parts, live, strict=True), query, limit)

    all_of_them = [
        Near(part, row, float(vectors[row] @ query))
        for part, vectors in enumerate(parts)
        for row in range(len(vectors))
        if live[part][row]
    ]
    best = sorted(all_of_them, key=lambda each: -each.score)[:limit]
    assert np.allclose([each.score for each in found], [each.score for each in best], atol=1e-6)
    assert len({(each.part, each.row) for each in found}) == len(found)
    assert all(live[each.part][each.row] for each in found)
    assert all(abs(each.score - float(parts[each.part][each.row] @ query)) < 1e-6 for each in found)


def test_of_equals_the_earlier_ones_are_found() -> None:
    vectors = unit_vectors([[1.0, 0.0]] * 10)

    assert [each.row for each in nearest([(vectors, None)], vectors[0], 3)] == [0, 1, 2]


def test_a_damaged_vector_is_no_hit_and_hides_none() -> None:
    vectors = some(6)
    vectors[1], vectors[2], vectors[3, 0] = 1e30, np.nan, np.inf

    assert {each.row for each in nearest([(vectors, None)], some(1, seed=1)[0], 6)} == {0, 4, 5}
    assert np.isfinite(flat_map(vectors)[0]).all()


def test_vectors_get_the_length_1() -> None:
    assert np.allclose(np.linalg.norm(unit_vectors([[3.0, 4.0], [1e-30, 0.0]]), axis=1), 1)


@pytest.mark.parametrize("vectors", [[[0.0, 0.0]], [[float("nan"), 1.0]], [[1e308 * 10, 1.0]]])
def test_a_vector_without_a_direction_is_refused(vectors: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="without a direction"):
        unit_vectors(vectors)


@given(st.integers(3, 60), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_the_map_is_that_of_the_principal_components(count: int, dimensions: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    spread = np.array([9.0, 4.0, *np.linspace(1, 0.1, dimensions)])[:dimensions] / 100
    vectors = (random.standard_normal((count, dimensions)) * spread).astype(np.float32)

    points, explained = flat_map(vectors)

    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.svd(centred, compute_uv=False)
    shares = lengths**2 / (lengths**2).sum()
    assert np.allclose(explained, shares[:2], rtol=1e-3)
    assert np.allclose((points.astype(np.float64) ** 2).sum(axis=0), lengths[:2] ** 2, rtol=1e-2)
    assert points.shape == (count, 2)
    assert points.dtype == np.float32


def test_two_groups_are_apart_on_the_map() -> None:
    middle = np.eye(64)[[0] * 30 + [1] * 30]
    vectors = unit_vectors((middle + np.random.default_rng(0).normal(0, 0.02, middle.shape)).tolist())

    points, explained = flat_map(vectors)

    assert len({float(x) > 0 for x in points[:30, 0]}) == 1
    assert {float(x) > 0 for x in points[:30, 0]} != {float(x) > 0 for x in points[30:, 0]}
    assert explained[0] > 0.9


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_or_equal_texts_have_a_map_too(count: int) -> None:
    points, explained = flat_map(np.ones((count, 4), dtype=np.float32))

    assert points.shape == (count, 2)
    assert not points.any()
    assert explained == (0, 0)


def test_two_texts_lie_on_a_line() -> None:
    points, explained = flat_map(some(2))

    assert explained == pytest.approx((1, 0), abs=1e-6)
    assert points[0, 0] == pytest.approx(-points[1, 0])


def test_the_map_is_the_same_each_time() -> None:
    assert np.array_equal(flat_map(some(50))[0], flat_map(some(50))[0])
