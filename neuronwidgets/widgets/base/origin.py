"""Who changes a widget's traits: the widget itself, a view, or Python code."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Origin(threading.local):
    """The origin of the trait changes that the current thread makes.

    An observer that finds its trait in `own` does not mistake the change for a user's wish.

    Attributes:
        own: the traits that the widget itself sets.
        viewed: the traits that a view sets.
    """

    own: frozenset[str] = frozenset()
    viewed: frozenset[str] = frozenset()

    @contextmanager
    def mine(self, names: Iterable[str]) -> Iterator[None]:
        """Changes of the traits `names` made inside are the widget's own."""
        before, self.own = self.own, self.own | frozenset(names)
        try:
            yield
        finally:
            self.own = before

    @contextmanager
    def view(self, names: Iterable[str]) -> Iterator[None]:
        """Changes of the traits `names` made inside come from a view."""
        before, self.viewed = self.viewed, frozenset(names)
        try:
            yield
        finally:
            self.viewed = before
