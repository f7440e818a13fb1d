"""Names from labels: the formula of labels whose samples a concept scores highest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.retrieval import DEFAULT
from neuronwidgets.concepts.control import several_of_a_source
from neuronwidgets.concepts.naming.attributes import attributes_of
from neuronwidgets.concepts.naming.auc import corrected, p_value, ranked
from neuronwidgets.concepts.naming.formulas import Best, search
from neuronwidgets.concepts.naming.naming import Naming
from neuronwidgets.core.checks import integer, number
from neuronwidgets.core.renamed import renamed
from neuronwidgets.core.subsample import evenly_spaced

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

FEWEST = 5
"""Samples for which a formula is true, and for which it is false, at least."""


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

    The AUC is the chance that a sample for which the formula is true scores higher on the concept
    (see `Concepts.retrieve`) than one for which it is false. INVERT (Bykov et al.,
    arXiv 2311.13594): beam search, Mann-Whitney p-value; here corrected for the number of formulas
    tried for that concept, and with whole texts permuted where a text's tokens or windows share
    their labels. A longer formula counts only if each further literal raises the AUC by
    `gain`. A concept gets no name if the AUC is below `min_auc` or the corrected p above `level`.

    Args:
        concepts: the concepts to name.
        attributes: the attributes of the samples; not given: their labels. bool `S x L` (with
            `attribute_names`), a DataFrame or dict of bool columns, or for each sample a list or
            set of labels. Unlabelled samples (-1, `None`) are left out.
        attribute_names: names of the `L` columns of an array.
        length: literals in a formula, at most.
        beam: formulas kept at each length.
        gain: AUC that each further literal must add.
        min_share, max_share: limits on the share of the labelled samples for which a formula is
            true (0.35% as in the paper, and half); it must also be true for 5 and false for 5.
        min_auc, level: smallest AUC, and largest corrected p, of a name.
        correction: "bonferroni" or "sidak".
        by: how samples are compared with a concept, see `Concepts.retrieve`. Under "dot" the common
            part of all samples counts too, and names get worse (docs/benchmarks/naming.md).
        most: labelled samples to use, at most. Of more, evenly spaced ones are used, and a note
            says so.
        centred: the former name of `by`: "cosine" if true, "dot" if false.

    Returns:
        Evidence: for each concept and length the best formula: `formula`, `length`, `auc`, `p`,
        `p_corrected`, `tried`, `samples` and `share` (for which it is true), `members` (share of
        the concept's own labelled samples for which it is true), `iou` (of its samples and as many
        with the highest scores), `chosen`.
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
    table_all, names, rows_all = attributes_of(split.acts, attributes, attribute_names)
    taken = evenly_spaced(np.arange(len(rows_all)), most)
    table, rows = table_all[taken], rows_all[taken]
    if centred is not None:
        by = DEFAULT if centred else "dot"
        renamed(f"centred={centred}", f"by={by!r}")
    scores = concepts.scores_of(rows=rows, by=by)
    least = max(FEWEST, int(np.ceil(min_share * len(rows))))
    largest = min(len(rows) - FEWEST, int(max_share * len(rows)))
    best_formulas = search(scores, table, beam, length, least, largest)
    ranks = ranked(scores) if scores.size else scores
    source = several_of_a_source(split.acts)
    source = None if source is None else source[rows]
    evidence: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    chosen: list[str | None] = []
    for k, candidates in enumerate(best_formulas):
        best = _shortest(candidates, gain)
        name = None
        is_member = np.isin(rows_all, concepts.index[concepts.assignment == k])
        for candidate in candidates:
            formula, count = candidate.formula, candidate.samples
            holds = formula.holds(table)
            p = p_value(ranks[:, k], holds, source)
            adjusted = corrected(p, candidate.tried, correction)
            text = formula.text(names)
            is_name = candidate is best and candidate.auc >= min_auc and adjusted <= level
            name = text if is_name else name
            highest = np.argsort(-scores[:, k], kind="stable")[:count]
            common = int(holds[highest].sum())
            members = formula.holds(table_all[is_member])
            row = (
                k, text, len(formula), candidate.auc, p, adjusted, candidate.tried, count,
                count / len(rows), float(members.mean()) if len(members) else float("nan"),
                common / (2 * count - common), is_name,
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
    elif concepts.names and not any(best_formulas):
        notes.append(
            f"no label is true for {least:,} to {largest:,} of {len(rows):,} samples: see "
            "min_share, max_share"
        )
    return Naming("labels", tuple(chosen), evidence, tuple(notes))


_COLUMNS = (
    "concept", "formula", "length", "auc", "p", "p_corrected", "tried", "samples", "share",
    "members", "iou", "chosen",
)  # fmt: skip


def _shortest(candidates: list[Best], gain: float) -> Best | None:
    """The best candidate, if each further literal must raise the AUC by `gain`."""
    best = candidates[0] if candidates else None
    for candidate in candidates[1:]:
        assert best is not None
        literals = len(candidate.formula) - len(best.formula)
        if candidate.auc >= best.auc + gain * literals:
            best = candidate
    return best
