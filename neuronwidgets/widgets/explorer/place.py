"""A place in an Explorer, and its address."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode

Tab = Literal["split", "ranges", "probe"]
PARTS = ("layer", "neuron", "tab", "cut", "height", "text", "lower")
"""The names in an address."""
TABS: tuple[Tab, ...] = get_args(Tab)


@dataclass(frozen=True)
class Place:
    """What an Explorer shows.

    Attributes:
        layer: the layer's name.
        neuron: the chosen neuron; `None`: none yet.
        tab: what is shown of it.
        cut: the height of its cut; `None`: the suggested one.
        height: the height of all cuts in the browser; `None`: each tree's own.
        text: the text in the probe.
        lower: the layer below and its neuron whose concepts are shown in place of the chosen
            neuron's, since one of them feeds one of these; `None`: the neuron's own.
    """

    layer: str
    neuron: int | None = None
    tab: Tab = "split"
    cut: float | None = None
    height: float | None = None
    text: str = ""
    lower: tuple[str, int] | None = None

    def __str__(self) -> str:
        """The address: "layer=relu2&neuron=17&tab=split&cut=0.82"."""
        parts: dict[str, Any] = {"layer": self.layer}
        if self.neuron is not None:
            parts["neuron"] = self.neuron
        parts["tab"] = self.tab
        if self.cut is not None:
            parts["cut"] = f"{self.cut:.6g}"
        if self.height is not None:
            parts["height"] = f"{self.height:.6g}"
        if self.text:
            parts["text"] = self.text
        if self.lower is not None:
            parts["lower"] = "{}:{}".format(*self.lower)
        return urlencode(parts)

    @property
    def lower_title(self) -> str:
        """The lower neuron in words; empty without one."""
        return "" if self.lower is None else "neuron {1} of layer {0}".format(*self.lower)

    @classmethod
    def of(cls, address: str) -> Place:
        """The place of an address.

        Raises:
            ValueError: it is no address. The message says why.
            TypeError: it is no string.
        """
        if not isinstance(address, str):
            raise TypeError(
                f"state must be an address such as 'layer=relu2&neuron=17', got {address!r:.60}."
            )
        parts = dict(parse_qsl(address, keep_blank_values=True))
        unknown = sorted(set(parts) - {*PARTS})
        if unknown or not parts.get("layer"):
            what = f"does not know {unknown[0]!r}" if unknown else "names no layer"
            raise ValueError(
                f"state {address!r:.80} {what}: it must be an address as `explorer.state` gives "
                "it, such as 'layer=relu2&neuron=17&tab=split'."
            )
        tab = parts.get("tab", TABS[0])
        if tab not in TABS:
            raise ValueError(f"state: tab must be one of {', '.join(TABS)}, got {tab!r}.")
        neuron = _number(parts, "neuron")
        if neuron is not None and (neuron != int(neuron) or neuron < 0):
            raise ValueError(f"state: neuron must be a neuron's number, got {parts['neuron']!r}.")
        lower = parts.get("lower")
        if lower is not None and (neuron is None or tab != TABS[0]):
            raise ValueError(
                f"state: lower={lower!r} needs a neuron that it feeds, and tab={TABS[0]!r}."
            )
        return cls(
            parts["layer"],
            None if neuron is None else int(neuron),
            next(known for known in TABS if known == tab),
            _number(parts, "cut"),
            _number(parts, "height"),
            parts.get("text", ""),
            None if lower is None else _lower(lower),
        )

    def at(self, **changes: Any) -> Place:
        """The place with some attributes changed."""
        return replace(self, **changes)


def _number(parts: dict[str, str], name: str) -> float | None:
    if name not in parts:
        return None
    try:
        value = float(parts[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"state: {name} must be a number, got {parts[name]!r}.")
    return value


def _lower(text: str) -> tuple[str, int]:
    layer, _, neuron = text.rpartition(":")
    if not layer or not neuron.isdecimal():
        raise ValueError(f"state: lower must be a layer and a neuron, 'relu1:17', got {text!r}.")
    return layer, int(neuron)
