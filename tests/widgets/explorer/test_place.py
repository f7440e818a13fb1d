"""Places of an Explorer, their addresses, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronwidgets.widgets.explorer.history import MOST, History
from neuronwidgets.widgets.explorer.place import TABS, Place

numbers = st.none() | st.floats(0, 1e6, allow_nan=False).map(lambda x: float(f"{x:.6g}"))
places = st.builds(
    Place,
    layer=st.text(min_size=1),
    neuron=st.none() | st.integers(0, 10**6),
    tab=st.sampled_from(TABS),
    cut=numbers,
    height=numbers,
    text=st.text(),
)


@given(places)
def test_an_address_leads_back_to_its_place(place: Place) -> None:
    assert Place.of(str(place)) == place


def test_an_address_is_short_and_readable() -> None:
    place = Place("relu2", 17, "split", 0.82)
    assert str(place) == "layer=relu2&neuron=17&tab=split&cut=0.82"
    assert str(Place("relu2")) == "layer=relu2&tab=split"
    below = Place("relu2", 17, lower=("a:b", 4))
    assert str(below) == "layer=relu2&neuron=17&tab=split&lower=a%3Ab%3A4"
    assert Place.of(str(below)) == below
    assert (below.lower_title, place.lower_title) == ("neuron 4 of layer a:b", "")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "names no layer"),
        ("neuron=3", "names no layer"),
        ("layer=a&speed=3", "does not know 'speed'"),
        ("layer=a&neuron=x", "neuron must be a number, got 'x'"),
        ("layer=a&neuron=1.5", "neuron must be a neuron's number"),
        ("layer=a&neuron=-1", "neuron must be a neuron's number"),
        ("layer=a&cut=nan", "cut must be a number"),
        ("layer=a&cut=inf", "cut must be a number"),
        ("layer=a&neuron=1&lower=b", "lower must be a layer and a neuron, 'relu1:17', got 'b'"),
        ("layer=a&neuron=1&lower=b:-4", "lower must be a layer and a neuron"),
        ("layer=a&lower=b:4", "lower='b:4' needs a neuron that it feeds, and tab='split'"),
        ("layer=a&neuron=1&tab=probe&lower=b:4", "needs a neuron that it feeds"),
        ("layer=a&tab=map", "tab must be one of split, ranges, probe"),
    ],
)
def test_what_is_no_address_is_refused_in_words(address: str, words: str) -> None:
    with pytest.raises(ValueError, match="state") as error:
        Place.of(address)
    assert words in str(error.value)


@pytest.mark.parametrize("value", [3, None, b"layer=a"])
def test_an_address_is_a_string(value: Any) -> None:
    with pytest.raises(TypeError, match="must be an address"):
        Place.of(value)


def test_another_neuron_is_a_step_and_a_drag_is_none() -> None:
    history = History(Place("a"))
    history.visit(Place("a", 1))
    assert (history.back, history.forward) == (0, 0)
    for cut in (0.1, 0.2, 0.3):
        history.visit(Place("a", 1, cut=cut))
    assert history.back == 0
    history.visit(Place("a", 2))
    history.visit(Place("a", 2, "ranges"))
    assert (history.back, history.forward) == (2, 0)
    assert history.step(-2) == Place("a", 1, cut=0.3)
    assert history.step(1) == Place("a", 2)
    history.visit(Place("a", 9))
    assert (history.back, history.forward) == (2, 0)
    assert history.step(-1) == Place("a", 2)


def test_steps_end_at_both_ends() -> None:
    history = History(Place("a", 1))
    history.visit(Place("a", 2))
    assert history.step(-5).neuron == 1
    assert history.step(5).neuron == 2


def test_old_places_are_forgotten() -> None:
    history = History(Place("a", 0))
    for neuron in range(1, 2 * MOST):
        history.visit(Place("a", neuron))
    assert history.back == MOST - 1
    assert history.step(-MOST).neuron == MOST
