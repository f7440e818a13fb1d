"""Singular directions of a layer against NumPy's SVD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import linalg

import neuronwidgets as nw
from neuronwidgets.activations.singular_directions import MatrixSizes, decomposed
from neuronwidgets.activations.store.matrix import Stored


def values(samples: int, neurons: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    strength = 0.8 ** np.arange(neurons)
    return (rng.normal(size=(samples, neurons)) * strength + 0.3).astype(np.float32)


def check(X: np.ndarray, k: int, center: bool, sizes: MatrixSizes) -> None:
    found = decomposed(X, k, center, sizes=sizes)
    wide = X.astype(np.float64) - (X.mean(axis=0, dtype=np.float64) if center else 0)
    _, expected, right = np.linalg.svd(wide, full_matrices=False)
    np.testing.assert_allclose(found.values, expected[:k], rtol=1e-9)
    np.testing.assert_allclose(found.explained, expected[:k] ** 2 / (expected**2).sum(), rtol=1e-9)
    sign = np.sign((found.directions * right[:k]).sum(axis=1))
    np.testing.assert_allclose(found.directions, sign[:, None] * right[:k], atol=1e-7)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(k), atol=1e-9)
    assert (found.directions[np.arange(k), np.abs(found.directions).argmax(axis=1)] > 0).all()
    assert found.centered is center
    assert len(found) == k


@pytest.mark.parametrize("block", [MatrixSizes.block, 50], ids=["all at once", "in blocks"])
@pytest.mark.parametrize(
    ("shape", "center"),
    [((200, 12), False), ((200, 12), True), ((12, 200), False), ((12, 200), True),
     ((30, 30), False), ((30, 30), True), ((7, 1), False), ((7, 1), True), ((1, 5), False)],
)  # fmt: skip
def test_they_are_numpys(shape: tuple[int, int], center: bool, block: int) -> None:
    check(values(*shape), min(5, *shape), center, MatrixSizes(block=block))


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shape", [(200, 12), (12, 200), (30, 30), (10, 400), (400, 10)])
@pytest.mark.parametrize("gram", [MatrixSizes.gram, 1], ids=["Lanczos", "Lanczos without products"])
def test_lanczos_finds_the_same(
    shape: tuple[int, int], center: bool, gram: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    eigsh = linalg.eigsh

    def watched(products: object, k: int, **options: object) -> object:
        used.append(k)
        return eigsh(products, k, **options)

    monkeypatch.setattr(linalg, "eigsh", watched)
    k = min(shape) // 10
    check(values(*shape), k, center, MatrixSizes(gram=gram, full=1, block=50))
    assert used == [k]


def test_activations_on_disk_are_read_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = values(400, 10)
    nw.Activations.from_arrays(X).save(tmp_path / "acts")
    acts = nw.Activations.load(tmp_path / "acts")
    read: list[int] = []
    take = Stored._take

    def watched(self: Stored, index: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
        out = take(self, index, columns)
        read.append(out.size)
        return out

    monkeypatch.setattr(Stored, "_take", watched)
    sizes = MatrixSizes(block=300)
    found = decomposed(acts, 3, False, sizes=sizes)
    assert max(read) <= 300
    in_memory = decomposed(X, 3, False, sizes=sizes)
    np.testing.assert_array_equal(found.directions, in_memory.directions)


def test_what_is_rounding_only_does_not_come_back() -> None:
    rng = np.random.default_rng(0)
    low = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 20))
    assert len(nw.singular_directions(low, 10)) == 3
    assert len(nw.singular_directions(low.T, 10)) == 3
    wide = np.concatenate([low, low[:5]])
    again = nw.singular_directions(wide, 3)
    np.testing.assert_array_equal(again.directions, nw.singular_directions(wide, 3).directions)


def test_a_direction_can_be_split_at_both_ends() -> None:
    acts = nw.Activations.from_arrays(values(200, 8))
    direction = nw.singular_directions(acts, 2, center=True).directions[1]
    one, other = nw.split(acts, direction, 20), nw.split(acts, -direction, 20)
    assert one.neuron is None
    assert not set(one.index) & set(other.index)
    assert one.index[0] == np.argmax(acts.values @ direction)


def test_they_show_themselves() -> None:
    acts = nw.Activations.from_arrays(values(50, 4), layer="<b>")
    found = nw.singular_directions(acts, 4, center=True)
    assert (
        repr(found) == "SingularDirections(4 of layer '<b>', centered, 100% of the sum of squares)"
    )
    assert "<b>" not in found._repr_html_()
    assert found._repr_html_().count("<tr>") == 5


@pytest.mark.parametrize(
    ("matrix", "arguments", "words"),
    [
        (np.ones((5, 3)), {"k": 4}, "k must be at most 3, .* of 5 samples of 3 neurons; got 4"),
        (np.ones((5, 3)), {"k": 0}, "k must be a positive integer, got 0"),
        (np.ones((5, 3)), {"k": 1.0}, "k must be .* got 1.0"),
        (np.zeros((5, 3)), {"k": 1}, "is zero: it has no singular directions"),
        (np.full((7, 3), 0.1), {"k": 1, "center": True}, "the same on every sample"),
        (np.ones((1, 5)), {"k": 1, "center": True}, "the same on every sample"),
        (np.full((5, 3), 1e200), {"k": 1}, "whose squares do not fit"),
    ],
)
def test_what_has_none_is_refused(
    matrix: np.ndarray, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        nw.singular_directions(matrix, **arguments)
