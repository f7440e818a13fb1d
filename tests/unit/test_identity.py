"""Names and colours that outlive their tree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import neuronwidgets as nw
from neuronwidgets.concepts.identity import anchored, named, recolored
from neuronwidgets.concepts.split import Split


def groups(count: int) -> nw.Activations:
    """Samples in three groups; neuron 0 grows with the sample's number."""
    rng = np.random.default_rng(0)
    kind = np.arange(count) % 3
    values = rng.normal(0, 0.2, (200, 6))[:count]
    values[np.arange(count), 1 + kind] += 5
    values[:, 0] = 5 + np.arange(count) / 1000
    return nw.Activations.from_arrays(values)


def names(made: Split, kept: Any) -> dict[str, set[int]]:
    found = anchored(made, kept)
    return {name: set(made.index[made.tree.samples_of(n)].tolist()) for n, name in found.items()}


def test_names_come_back_to_the_same_nodes_of_the_same_tree() -> None:
    made = nw.split(groups(90), 0, top=60)
    given = {int(node): f"name {node}" for node in range(2 * made.tree.n - 1)}
    assert anchored(made, named(made.tree, made.places, given)) == given


def test_a_name_goes_where_most_of_its_samples_are() -> None:
    old = nw.split(groups(90), 0, top=60)
    new = nw.split(groups(102), 0, top=60)
    node = int(old.cut().nodes[0])
    mine = set(old.index[old.tree.samples_of(node)].tolist())
    found = names(new, named(old.tree, old.places, {node: "mine"}))
    kinds = {row % 3 for row in mine}
    assert {row % 3 for row in found["mine"]} == kinds
    assert found["mine"] >= mine & set(new.index.tolist())


def test_of_two_names_the_larger_overlap_is_served_first() -> None:
    made = nw.split(groups(90), 0, top=60)
    node = int(made.cut().nodes[0])
    places = made.places[made.tree.samples_of(node)]
    found = names(made, [("most of it", places[:-1]), ("all of it", places)])
    assert found["all of it"] == set(made.index[made.tree.samples_of(node)].tolist())
    assert found["most of it"] < found["all of it"]


def test_a_name_is_dropped_when_its_samples_have_left_the_top() -> None:
    old, new = nw.split(groups(60), 0, top=30), nw.split(groups(200), 0, top=30)
    given = {int(node): str(node) for node in old.cut().nodes}
    assert anchored(new, named(old.tree, old.places, given)) == {}


def test_concepts_keep_their_colours() -> None:
    old, new = nw.split(groups(90), 0, top=60), nw.split(groups(110), 0, top=60)
    swapped = replace(old, slots=old.colors.max() - np.arange(old.colors.max() + 1))
    before = swapped.cut()
    after = recolored(new, None, before, {}).cut()

    def slot(concepts: Any) -> dict[int, int]:
        of = dict(zip(concepts.index.tolist(), concepts.assignment.tolist(), strict=True))
        return {row: int(concepts.slots[k]) for row, k in of.items() if k >= 0}

    was, now = slot(before), slot(after)
    common = [row for row in was if row in now]
    assert [was[row] for row in common] == [now[row] for row in common]
    # A permutation: what had different colours still has.
    assert len(set(after.slots.tolist())) == len(after)


def test_nothing_in_common_takes_colours_as_they_come() -> None:
    old, new = nw.split(groups(60), 0, top=30), nw.split(groups(200), 0, top=30)
    made = recolored(new, None, old.cut(), {})
    assert sorted(set(made.colors.tolist())) == sorted(set(new.colors.tolist()))
