"""What all widgets' tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_nulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explorers opened by the dozen draw no nulls: a quarter of a second each."""
    from neuronwidgets.widgets.split_explorer.limits import Limits
    from neuronwidgets.widgets.split_explorer.widget import SplitExplorer

    monkeypatch.setattr(SplitExplorer, "_limits", Limits(draws=0))
