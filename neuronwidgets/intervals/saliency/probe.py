"""Probe weights: elastic-net logistic regression (Dalvi et al., AAAI 2019)."""

from __future__ import annotations

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.modes import own_modes


@own_modes()
def probe(acts: Activations, label: int) -> np.ndarray:
    """`|w_j|` of a probe for the label against all others, on standardised activations: `D`.

    scikit-learn's `SGDClassifier` with the logistic loss, half L1 and half L2, seed 0.
    """
    from sklearn.linear_model import SGDClassifier

    assert acts.labels is not None
    known = acts.labels >= 0
    target = acts.labels[known] == label
    if target.all():
        raise ValueError(f"every sample has the label {acts.label_names[label]!r}: a probe also "
                         "needs samples of another one.")  # fmt: skip
    values = acts.values[known].astype(np.float64)
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    fitted = SGDClassifier(
        loss="log_loss", penalty="elasticnet", alpha=1e-3, l1_ratio=0.5, random_state=0,
        max_iter=1000, tol=1e-3,
    ).fit(values, target)  # fmt: skip
    return np.abs(fitted.coef_[0])
