"""The list of objects that exist."""

from __future__ import annotations

import gc

from neuronwidgets.core.living import Living


class Thing:
    pass


def test_objects_are_listed_in_order_until_nothing_refers_to_them() -> None:
    living: Living[Thing] = Living()
    first, second, third = Thing(), Thing(), Thing()
    for thing in (first, second, third):
        living.add(thing)
    assert living.all() == [first, second, third]
    del second, thing
    gc.collect()
    assert living.all() == [first, third]
    living.add(first)
    assert living.all() == [first, third, first]


def test_a_list_that_was_read_does_not_change() -> None:
    living: Living[Thing] = Living()
    first, second = Thing(), Thing()
    living.add(first)
    read = living.all()
    living.add(second)
    assert read == [first]
