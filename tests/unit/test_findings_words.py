"""Sentences on what a mask does, from its numbers."""

from __future__ import annotations

from neuronwidgets.interventions.findings import constant_answer, one_neuron


def test_a_constant_answer_is_named() -> None:
    said = constant_answer("the neuron mask", "boot", 0.97, 0.3)
    assert said.startswith("Under the neuron mask the model predicts 'boot' for 97% of all samples")
    assert "(30% without the mask)" in said
    assert constant_answer("the neuron mask", "boot", 0.89, 0.3) == ""
    # A model that answers so without the mask as well is not changed by it.
    assert constant_answer("the neuron mask", "boot", 0.97, 0.95) == ""


def test_one_neuron_shows_in_nats_or_does_not() -> None:
    seen = one_neuron("boot", [-0.004, -0.012, 0.0], [-0.031, -0.052, -0.011])
    assert "accuracy of 'boot': it changes by −0.4 points (−1.2 to 0.0)" in seen
    assert "right label shows it: −0.031 nats a sample (−0.052 to −0.011)." in seen
    neither = one_neuron("boot", [0.0, 0.0, 0.0], [0.001, -0.002, 0.004])
    assert "changes by 0.0 points (0.0 to 0.0)" in neither
    assert "does not show it either: +0.001 nats a sample (−0.002 to +0.004)." in neither
    assert one_neuron("boot", [-0.1, -0.2, -0.01], [-0.3, -0.4, -0.2]) == ""
    assert one_neuron("boot", [None, None, None], [None, None, None]) == ""
