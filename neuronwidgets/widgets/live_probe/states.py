"""What the state of each token is compared with: a dictionary of chunks, and a template."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.effects.readings import Reading

if TYPE_CHECKING:
    from neuronwidgets.effects.chunks.dictionary import ChunkDictionary
    from neuronwidgets.effects.chunks.template import Template

OF_TOKENS = ("token", "last", "cls", "")
"""Poolings whose rows are states of the layer; "": a plain array, which does not say."""


@dataclass(frozen=True, eq=False)
class TokenStates:
    """The `T` tokens of a text beside chunks and a template with `s` tolerances.

    Attributes:
        chunk: int64 `T`, the chunk of each; -1 at the centre. Empty without chunks.
        cosine: float32 `T`, with that chunk.
        hit: bool `T x s`, whether it is in the template's state. Empty without a template.
    """

    chunk: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    cosine: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    hit: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))

    def tensors(self, tokens: list[int]) -> dict[str, np.ndarray]:
        """The arrays of the `readings` message about some of the tokens."""
        arrays = {
            "chunk": self.chunk.astype(np.int32), "chunk_cosine": self.cosine,
            "hit": self.hit.astype(np.uint8),
        }  # fmt: skip
        return {name: array[tokens] for name, array in arrays.items() if len(array)}


@dataclass(frozen=True, eq=False)
class States:
    """The chunks and the template of a probe.

    Attributes:
        chunks: as from `nw.chunk_dictionary`; `None` without.
        template: as from `nw.template`; `None` without.
    """

    chunks: ChunkDictionary | None = None
    template: Template | None = None

    @classmethod
    def of(cls, chunks: Any, template: Any, acts: Activations, kind: str) -> States:
        """The arguments of LiveProbe, checked.

        Raises:
            TypeError: they are something else.
            ValueError: they are of another layer or of no tokens, or the probe reads images.
        """
        from neuronwidgets.effects.chunks.dictionary import ChunkDictionary
        from neuronwidgets.effects.chunks.template import Template

        known = (
            ("chunks", chunks, ChunkDictionary, "nw.chunk_dictionary(tokens)"),
            ("template", template, Template, "nw.template(tokens, samples)"),
        )
        for name, given, wanted, how in known:
            if given is None:
                continue
            if not isinstance(given, wanted):
                raise TypeError(f"{name} must be from {how}, got a {type(given).__name__}.")
            if kind != "text":
                raise ValueError(f"{name} must not be given to a probe that reads images.")
            own = given.acts
            if own.shape[1] != acts.shape[1] or own.layer != acts.layer:
                raise ValueError(
                    f"{name} must be of layer {acts.layer!r} with {acts.shape[1]:,} neurons, got "
                    f"{own.layer!r} with {own.shape[1]:,}."
                )
            if own.pooling not in OF_TOKENS:
                raise ValueError(
                    f"{name} must be of tokens, got the {own.pooling} over tokens: capture with "
                    "pooling='token'."
                )
        return cls(chunks, template)

    @property
    def any(self) -> bool:
        """Whether there is something to compare with."""
        return self.chunks is not None or self.template is not None

    @cached_property
    def tolerances(self) -> np.ndarray:
        """float64 `s`, ascending, those of the slider; none without a template."""
        return np.zeros(0) if self.template is None else self.template.tolerances

    @cached_property
    def _sizes(self) -> np.ndarray:
        """int64 `s`, the neurons that each tolerance keeps."""
        assert self.template is not None
        return np.array([self.template.size(float(t)) for t in self.tolerances])

    def nearest(self, tolerance: float) -> float:
        """The tolerance of the slider that is nearest to this one, as a ratio."""
        place = np.abs(np.log(self.tolerances / tolerance)).argmin()
        return float(self.tolerances[place])

    def of_tokens(self, reading: Reading) -> TokenStates:
        """Compare the tokens of a text. Empty where the layer has one vector for each text."""
        vectors = reading.vectors
        if not len(vectors):
            return TokenStates()
        known: dict[str, np.ndarray] = {}
        if self.chunks is not None:
            known["chunk"], known["cosine"] = self.chunks.assign(vectors)
        if self.template is not None:
            inside = self.template.steady.inside(vectors)
            hit = inside[:, np.maximum(self._sizes, 1) - 1]
            known["hit"] = hit & (self._sizes > 0)
        return TokenStates(**known)

    def pack(self) -> dict[str, Any]:
        """The trait `_states`, see `StatesMeta` of the protocol."""
        packed: dict[str, Any] = {}
        if (chunks := self.chunks) is not None:
            packed["chunks"] = {
                "names": list(chunks.names), "held_out": chunks.held_out, "chance": chunks.chance,
            }  # fmt: skip
        if (template := self.template) is not None:
            frame = template.to_frame()
            packed["template"] = {
                "samples": len(template.samples), "total": len(template.acts),
                "width": template.acts.shape[1], "tolerances": frame["tolerance"].tolist(),
                "neurons": frame["neurons"].tolist(),
                "neurons_random": frame["neurons_random"].tolist(),
                "hits": frame["hits"].tolist(), "random": frame["random"].tolist(),
                "chance": frame["chance"].tolist(),
            }  # fmt: skip
        return packed
