"""The tree of a linkage: its geometry, its colours, and the names that its nodes inherit."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neuronwidgets.clustering.linkage.engine import linkage
from neuronwidgets.clustering.tree import Tree, identities
from neuronwidgets.display.palette import COLORS

# Small whole numbers make many ties.
POINTS = st.integers(1, 40).flatmap(
    lambda n: arrays(np.float64, (n, 2), elements=st.integers(-6, 6).map(float))
)
MIN_SIZES = st.integers(1, 6)


def concepts_at(tree: Tree, threshold: float, min_size: int) -> np.ndarray:
    nodes = tree.cut(threshold)
    return nodes[tree.size[nodes] >= min_size]


def thresholds(tree: Tree) -> list[float]:
    """Every cut that the tree has: at each height, and between each two."""
    heights = np.unique(tree.height)
    middles = (heights[1:] + heights[:-1]) / 2
    return [*heights.tolist(), *middles.tolist(), tree.top + 1]


@given(POINTS)
def test_size_start_order_and_children_agree(points: np.ndarray) -> None:
    tree = Tree.of(linkage(points))
    n = tree.n
    assert n == len(points)
    assert sorted(tree.order.tolist()) == list(range(n))
    assert tree.parent[-1] == -1
    assert tree.samples_of(2 * n - 2).tolist() == tree.order.tolist()
    assert all(tree.samples_of(leaf).tolist() == [leaf] for leaf in range(n))
    for merge, (left, right) in enumerate(tree.children):
        node = n + merge
        assert tree.parent[left] == tree.parent[right] == node
        assert tree.size[node] == tree.size[left] + tree.size[right]
        assert tree.size[left] >= tree.size[right]
        assert tree.start[left] == tree.start[node]
        assert tree.start[right] == tree.start[left] + tree.size[left]
        assert tree.height[node] >= max(tree.height[left], tree.height[right])


@given(POINTS)
def test_every_cut_is_a_partition_from_left_to_right(points: np.ndarray) -> None:
    tree = Tree.of(linkage(points))
    for threshold in [*thresholds(tree), -1.0, float("inf")]:
        nodes = tree.cut(threshold)
        members = np.concatenate([tree.samples_of(int(node)) for node in nodes])
        assert members.tolist() == tree.order.tolist()
    assert len(tree.cut(-1.0)) == tree.n
    assert len(tree.cut(tree.top)) == len(tree.cut(float("inf"))) == 1


@given(POINTS, MIN_SIZES)
def test_concepts_on_the_screen_never_share_a_colour(points: np.ndarray, min_size: int) -> None:
    tree = Tree.of(linkage(points))
    colors = tree.colors(min_size)
    assert ((colors >= 0) == (tree.size >= min_size)).all()
    most = 0
    for threshold in thresholds(tree):
        shown = colors[concepts_at(tree, threshold, min_size)].tolist()
        assert len(set(shown)) == len(shown)
        most = max(most, len(shown))
    # Colours are used again: no more of them than are on the screen at once, or than there are.
    assert colors.max() < max(most, len(COLORS))


@given(POINTS, MIN_SIZES)
def test_the_bigger_child_keeps_the_colour(points: np.ndarray, min_size: int) -> None:
    tree = Tree.of(linkage(points))
    colors = tree.colors(min_size)
    for merge, (left, _) in enumerate(tree.children):
        if tree.size[left] >= min_size:
            assert colors[left] == colors[tree.n + merge]


def chain() -> Tree:
    """Samples 0 and 1 merge to 4; 2 joins as 5; 3 joins as 6, the root."""
    return Tree.of(linkage([[0.0], [1.0], [10.0], [100.0]]))


def test_the_largest_overlap_takes_the_anchor() -> None:
    tree = chain()
    assert tree.children.tolist() == [[0, 1], [4, 2], [5, 3]]
    # The root's name goes to its larger part.
    assert tree.inherit([5, 3], [6]) == [0, -1]
    assert tree.inherit([3, 5], [6]) == [-1, 0]
    # Two named parts merge: the larger one's name stays.
    assert tree.inherit([6], [3, 5]) == [1]
    assert tree.inherit([6], [5, 3]) == [0]
    # Each anchor goes to one node, each node takes one anchor.
    assert tree.inherit([4, 2, 3], [5, 3]) == [0, -1, 1]
    assert tree.inherit([], [5]) == []
    assert tree.inherit([4, 2, 3], []) == [-1, -1, -1]


def test_ties_go_to_the_smaller_anchor() -> None:
    tree = chain()
    # Both anchors overlap node 4 in two samples: the nearer one (fewer samples) names it.
    assert tree.inherit([4], [6, 5]) == [1]
    assert tree.inherit([4], [5, 6]) == [0]


@given(POINTS, st.data())
def test_names_are_one_to_one_and_do_not_depend_on_the_way(
    points: np.ndarray, data: st.DataObject
) -> None:
    tree = Tree.of(linkage(points))
    every = st.integers(0, 2 * tree.n - 2)
    anchors = data.draw(st.lists(every, unique=True, max_size=6))
    nodes = tree.cut(data.draw(st.sampled_from(thresholds(tree)))).tolist()
    taken = tree.inherit(nodes, anchors)
    used = [a for a in taken if a >= 0]
    assert len(set(used)) == len(used)
    for node, anchor in zip(nodes, taken, strict=True):
        if anchor >= 0:
            assert set(tree.samples_of(node)) & set(tree.samples_of(anchors[anchor]))
    # The order in which names were given does not matter.
    order = data.draw(st.permutations(range(len(anchors))))
    names = {anchors[i]: f"name {anchors[i]}" for i in order}
    slots, again = identities(tree, tree.colors(2), nodes, names)
    assert again == [None if a < 0 else f"name {anchors[a]}" for a in taken]
    shown = [slot for slot in slots if slot >= 0]
    assert len(set(shown)) == len(shown)


def balanced(leaves: int) -> np.ndarray:
    """The linkage of a balanced tree, pair by pair, with heights 1, 2, 3, ..."""
    nodes, rows, sizes = list(range(leaves)), [], [1] * leaves
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2], strict=False)
        rest = nodes[-1:] if len(nodes) % 2 else []
        nodes = []
        for a, b in pairs:
            sizes.append(sizes[a] + sizes[b])
            nodes.append(leaves + len(rows))
            rows.append((a, b, len(rows) + 1.0, sizes[-1]))
        nodes += rest
    return np.array(rows)


def test_a_cut_of_twenty_thousand_leaves_takes_a_moment() -> None:
    tree = Tree.of(balanced(20_000))
    tree.cut(0.5)
    begin = time.perf_counter()
    counts = [len(tree.cut(t)) for t in (0.5, 5_000.5, 10_000.5, 19_998.5, 19_999.5)]
    assert time.perf_counter() - begin < 0.5
    assert counts == [20_000, 15_000, 10_000, 2, 1]


def test_a_name_takes_its_colour_along_and_the_other_gets_that_in_exchange() -> None:
    tree = chain()
    colors = tree.colors(1)
    # Nodes 4 and 2 are the parts of 5: 4 keeps the colour, 2 has one of its own.
    assert colors[4] == colors[5] != colors[2]
    plain, none = identities(tree, colors, [4, 2, 3], {})
    assert plain == [int(colors[node]) for node in (4, 2, 3)]
    assert none == [None, None, None]
    slots, names = identities(tree, colors, [4, 2, 3], {3: "far", 2: "two"})
    assert (slots, names) == (plain, [None, "two", "far"])
    # Where 2 was named, the cluster that has 2 now shows the colour of 2.
    slots, names = identities(tree, colors, [5, 3], {2: "two"})
    assert (slots, names) == ([int(colors[2]), int(colors[3])], ["two", None])
