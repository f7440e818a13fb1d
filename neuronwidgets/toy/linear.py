"""The loss of the best linear map, to which a toy model's loss is compared."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-12
"""Share of the target's mean square: a smaller loss is rounding error and counts as 0."""


def linear_loss(
    probability: np.ndarray, W_e: np.ndarray, W_o: np.ndarray | None, task: str
) -> float:
    """The least expected loss of `y = M x` over all matrices `M`, exactly.

    With `x = W_e v` and target `t`, `E ||t - M x||^2` is least at `M = E[t x^T] E[x x^T]^+`, where
    it is `tr E[t t^T] - tr(M E[x t^T])`. A present feature is uniform in [0, 1], with mean 1/2 and
    mean square 1/3, and features are independent. So `E[v_i^2]` is `eps_i / 3` and `E[v_i v_j]` is
    `eps_i eps_j / 4`.

    For "absolute", the sign of `v` is symmetric, so `E[|v| v^T] = 0` and the best map is 0. The
    loss is `sum_i E[v_i^2]`, each `eps_i / 3 - eps_i^2 / 8` for a difference of two features at
    `eps_i / 2`.

    Args:
        probability: `eps_i`, `N`.
        W_e: the embedding, `m x N`.
        W_o: the re-projector's target embedding, `m x N`.
        task: "decoder", "reprojector" or "absolute".
    """
    p = probability.astype(np.float64)
    if task == "absolute":
        return float((p / 3 - p**2 / 8).sum())
    # E[v v^T] = diag(spread) + mean mean^T.
    mean, spread = p / 2, p / 3 - p**2 / 4
    embed = W_e.astype(np.float64)
    mean_x = embed @ mean
    power = (embed * spread) @ embed.T + np.outer(mean_x, mean_x)  # E[x x^T]
    if W_o is None:
        goal = spread[:, None] * embed.T + np.outer(mean, mean_x)  # E[t x^T]
        total = float((p / 3).sum())
    else:
        out = W_o.astype(np.float64)
        goal = (out * spread) @ embed.T + np.outer(out @ mean, mean_x)
        total = float((out**2 @ spread).sum() + (out @ mean) @ (out @ mean))
    least = total - float((goal @ np.linalg.pinv(power, hermitian=True) * goal).sum())
    # With m = N the loss is 0 up to rounding.
    return least if least > ROUNDING * total else 0.0
