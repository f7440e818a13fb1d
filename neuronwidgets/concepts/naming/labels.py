"""Names from labels: the formula by which a concept vector sorts the dataset best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.naming.attributes import attributes_of
from neuronwidgets.concepts.naming.auc import corrected, p_value, ranked
from neuronwidgets.concepts.naming.formulas import Best, search
from neuronwidgets.concepts.naming.naming import Naming
from neuronwidgets.concepts.retrieval import DEFAULT
from neuronwidgets.core.checks import integer, number
from neuronwidgets.core.renamed import renamed
from neuronwidgets.core.subsample import evenly_spaced

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

FEWEST = 5
"""Samples inside and outside that a formula needs at least, whatever the share."""


def by_labels(
    concepts: Concepts,
    attributes: Any = None,
    attribute_names: Sequence[str] | None = None,
    length: int = 3,
    beam: int = 10,
    gain: float = 0.02,
    min_share: float = 0.0035,
    max_share: float = 0.5,
    min_auc: float = 0.7,
    level: float = 0.05,
    correction: str = "bonferroni",
    by: str = DEFAULT,
    most: int = 20_000,
    centred: bool | None = None,
) -> Naming:
    """Name each concept by the AND/OR/NOT formula of labels with the best AUC.

    The AUC is the chance that a sample for which the formula is true fits the concept better (as
    `Concepts.retrieve` compares) than one for which it is false. INVERT (Bykov et al.,
    arXiv 2311.13594): beam search, Mann-Whitney p-value; here corrected for the number of formulas
    tried for that concept. A
    longer formula counts only if its AUC is larger by `gain` for each literal more. No name where
    the AUC is below `min_auc` or the corrected p above `level`.

    Args:
        attributes: what the samples have; not given: their labels. bool `S x L` (with
            `attribute_names`), a DataFrame or dict of bool columns, or for each sample a list or
            set of labels. Unlabelled samples (-1, `None`) are left out.
        length: literals at most.
        beam: formulas kept at each length.
        min_share, max_share: of the labelled samples a formula must be true for at least and at
            most this share (0.35% as in the paper, and half), and for 5 samples, false for 5.
        correction: "bonferroni" or "sidak".
        by: how samples are compared with a concept, see `Concepts.retrieve`. By "dot", what all
            samples have in common counts too, and names get worse (docs/benchmarks/naming.md).
        most: of more samples an even choice of so many is taken, and said in the notes.

    Returns:
        Evidence: for each concept and length the best formula: `formula`, `length`, `auc`, `p`,
        `p_corrected`, `tried`, `samples` and `share` (for which it is true), `members` (share of
        the concept's own labelled samples for which it is true), `iou` (of its samples and as many
        nearest to the concept), `chosen`.
    """
    length, beam = integer("length", length, 1), integer("beam", beam, 1)
    most = integer("most", most, 2 * FEWEST)
    gain = number("gain", gain, least=0, most=1)
    min_share = number("min_share", min_share, least=0, most=1)
    max_share = number("max_share", max_share, least=min_share, most=1)
    min_auc = number("min_auc", min_auc, least=0, most=1)
    level = number("level", level, least=0, most=1)
    corrected(1.0, 1, correction)
    split = concepts.require_split("named('labels')")
    table, names, rows = attributes_of(split.acts, attributes, attribute_names)
    taken = evenly_spaced(np.arange(len(rows)), most)
    table_all, rows_all, table, rows = table, rows, table[taken], rows[taken]
    if centred is not None:
        by = DEFAULT if centred else "dot"
        renamed(f"centred={centred}", f"by={by!r}")
    scores = concepts.scores_of(rows=rows, by=by)
    least = max(FEWEST, int(np.ceil(min_share * len(rows))))
    largest = min(len(rows) - FEWEST, int(max_share * len(rows)))
    found = search(scores, table, beam, length, least, largest)
    ranks = ranked(scores) if scores.size else scores
    evidence: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    chosen: list[str | None] = []
    for k, lengths in enumerate(found):
        best = _shortest(lengths, gain)
        name = None
        own = np.isin(rows_all, concepts.index[concepts.assignment == k])
        for each in lengths:
            holds = each.formula.holds(table)
            p = p_value(each.auc, each.samples, ranks[:, k])
            adjusted = corrected(p, each.tried, correction)
            text = each.formula.text(names)
            fits = each is best and each.auc >= min_auc and adjusted <= level
            name = text if fits else name
            highest = np.argsort(-scores[:, k], kind="stable")[: each.samples]
            common = int(holds[highest].sum())
            mine = each.formula.holds(table_all[own])
            row = (
                k, text, len(each.formula), each.auc, p, adjusted, each.tried, each.samples,
                each.samples / len(rows), float(mine.mean()) if len(mine) else float("nan"),
                common / (2 * each.samples - common), fits,
            )  # fmt: skip
            for column, value in zip(_COLUMNS, row, strict=True):
                evidence[column].append(value)
        chosen.append(name)
    notes = []
    if len(rows) < len(rows_all):
        notes.append(f"on {len(rows):,} of {len(rows_all):,} labelled samples, evenly spaced")
    if len(rows_all) < len(split.acts):
        notes.append(f"{len(split.acts) - len(rows_all):,} unlabelled samples left out")
    if largest < least:
        notes.append(f"{len(rows):,} labelled samples are too few to name by")
    elif concepts.names and not any(found):
        notes.append(
            f"no label is true for {least:,} to {largest:,} of {len(rows):,} samples: see "
            "min_share, max_share"
        )
    return Naming("labels", tuple(chosen), evidence, tuple(notes))


_COLUMNS = (
    "concept", "formula", "length", "auc", "p", "p_corrected", "tried", "samples", "share",
    "members", "iou", "chosen",
)  # fmt: skip


def _shortest(lengths: list[Best], gain: float) -> Best | None:
    best = lengths[0] if lengths else None
    for each in lengths[1:]:
        assert best is not None
        if each.auc >= best.auc + gain * (len(each.formula) - len(best.formula)):
            best = each
    return best
