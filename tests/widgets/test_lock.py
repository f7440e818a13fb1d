"""The lock that linked widgets share."""

from __future__ import annotations

import gc
import threading
import weakref

from neuronwidgets.widgets.base.lock import Lock


def test_it_is_reentrant_and_excludes_other_threads() -> None:
    lock, order = Lock(), []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with lock:
            order.append("other")

    thread = threading.Thread(target=other)
    with lock, lock:
        thread.start()
        assert entered.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]


def test_joined_locks_exclude_each_other() -> None:
    a, b, c = Lock(), Lock(), Lock()
    a.join(b)
    c.join(b)
    c.join(a)
    got = threading.Event()

    def other() -> None:
        with c:
            got.set()

    thread = threading.Thread(target=other)
    with a:
        thread.start()
        assert not got.wait(0.05)
    thread.join(10)
    assert got.is_set()


def test_a_thread_that_waited_while_locks_were_joined_waits_for_the_joined_one() -> None:
    a, b, inside = Lock(), Lock(), []
    waiting, done = threading.Event(), threading.Event()

    def waits_for_b() -> None:
        waiting.set()
        with b:
            inside.append("b")
        done.set()

    thread = threading.Thread(target=waits_for_b)
    with a:
        with b:
            thread.start()
            assert waiting.wait(10)
            a.join(b)
        # `b` was released, and still excludes its waiter: `a` is held.
        assert not done.wait(0.05)
        assert inside == []
    assert done.wait(10)
    thread.join(10)


def test_two_sides_that_set_each_other_do_not_deadlock() -> None:
    a, b = Lock(), Lock()
    a.join(b)

    def crossing(first: Lock, second: Lock) -> None:
        for _ in range(2000):
            with first, second:
                pass

    threads = [threading.Thread(target=crossing, args=pair) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_joined_lock_is_not_kept_in_memory() -> None:
    a, b = Lock(), Lock()
    a.join(b)
    gone = weakref.ref(b)
    del b
    gc.collect()
    assert gone() is None
