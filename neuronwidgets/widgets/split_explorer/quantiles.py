"""The trait of a band of activations."""

from __future__ import annotations

from typing import Any

import traitlets as t

from neuronwidgets.activations.band_samples import check_band


class Quantiles(t.TraitType[Any, Any]):
    """Two increasing quantiles, or `None`; of `t.Tuple`, `None` is not cross-validated."""

    default_value = None

    def validate(self, obj: Any, value: Any) -> Any:
        return None if value is None else check_band(value)
