"""What all widgets' tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_nulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explorers opened by the dozen draw no nulls: a quarter of a second each."""
    from neuronwidgets.concepts import suggest
    from neuronwidgets.widgets.split_explorer import assessment as _assessment

    monkeypatch.setattr(_assessment, "MOST_DRAWN", 0)
    monkeypatch.setattr(suggest, "MOST_DRAWN", 0)
