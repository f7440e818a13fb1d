"""A place in an Explorer, and its address."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode

Tab = Literal["split", "ranges", "probe"]
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
    """

    layer: str
    neuron: int | None = None
    tab: Tab = "split"
    cut: float | None = None
    height: float | None = None
    text: str = ""

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
        return urlencode(parts)

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
        unknown = sorted(set(parts) - {"layer", "neuron", "tab", "cut", "height", "text"})
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
        return cls(
            parts["layer"],
            None if neuron is None else int(neuron),
            next(known for known in TABS if known == tab),
            _number(parts, "cut"),
            _number(parts, "height"),
            parts.get("text", ""),
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
