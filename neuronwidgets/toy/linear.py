"""How well the best linear map could do a task: the yardstick for a toy model's loss."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-12


def linear_loss(
    probability: np.ndarray, W_e: np.ndarray, W_o: np.ndarray | None, task: str
) -> float:
    """The least expected loss of `y = M x`, over all matrices `M`, exactly.

    With `x = W_e v` and target `t`, the least of `E ||t - M x||^2` is at
    `M = E[t x^T] E[x x^T]^+` and is `tr E[t t^T] - tr(M E[x t^T])`. A present feature is uniform
    in [0, 1], of mean 1/2 and mean square 1/3, and features are independent; so `E[v_i^2]` is
    `eps_i / 3` and `E[v_i v_j]` is `eps_i eps_j / 4`.

    "absolute": the sign of `v` is symmetric, so `E[|v| v^T] = 0`: no linear map beats 0, and the
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
    seen = embed @ mean
    power = (embed * spread) @ embed.T + np.outer(seen, seen)  # E[x x^T]
    if W_o is None:
        goal = spread[:, None] * embed.T + np.outer(mean, seen)  # E[t x^T]
        total = float((p / 3).sum())
    else:
        out = W_o.astype(np.float64)
        goal = (out * spread) @ embed.T + np.outer(out @ mean, seen)
        total = float((out**2 @ spread).sum() + (out @ mean) @ (out @ mean))
    left = total - float((goal @ np.linalg.pinv(power, hermitian=True) * goal).sum())
    # With m = N nothing is left but rounding.
    return left if left > ROUNDING * total else 0.0
