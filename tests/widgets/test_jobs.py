"""One job at a time, the latest wins."""

from __future__ import annotations

import threading

import pytest

from neuronwidgets.widgets.base.jobs import JobProgress, Jobs, Steps


class Log:
    def __init__(self) -> None:
        self.said: list[object] = []

    def __call__(self, progress: object) -> None:
        self.said.append(progress)


def test_runs_to_the_end_and_says_so() -> None:
    log = Log()
    jobs = Jobs(log)
    done: list[int] = []

    def steps() -> Steps:
        yield JobProgress(0.5, "half")
        done.append(1)

    jobs.start(steps())
    assert jobs.wait(10)
    assert done == [1]
    assert log.said == [JobProgress(0.5, "half"), None]


def test_the_latest_wins() -> None:
    log = Log()
    jobs = Jobs(log)
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []

    def slow() -> Steps:
        begun.set()
        go.wait(10)
        yield JobProgress(0.5, "old")
        done.append("old")

    def quick() -> Steps:
        yield JobProgress(0.5, "new")
        done.append("new")

    jobs.start(slow())
    assert begun.wait(10)
    old = jobs._thread
    assert old is not None
    jobs.start(quick())
    assert jobs.wait(10)
    go.set()
    old.join(10)
    assert done == ["new"]
    assert log.said == [JobProgress(0.5, "new"), None]


def test_a_delayed_job_gives_way_without_starting() -> None:
    jobs = Jobs(Log())
    begun: list[int] = []

    def steps() -> Steps:
        begun.append(1)
        yield JobProgress(1, "")

    jobs.start(steps(), delay=60)
    thread = jobs._thread
    assert thread is not None
    jobs.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert begun == []


def test_cancel_and_close_end_it_at_the_next_step() -> None:
    for stop in ("cancel", "close"):
        log = Log()
        jobs = Jobs(log)
        begun, go, closed = threading.Event(), threading.Event(), threading.Event()
        done: list[int] = []

        def steps(begun=begun, go=go, closed=closed, done=done) -> Steps:  # type: ignore[no-untyped-def]
            try:
                begun.set()
                go.wait(10)
                yield JobProgress(0.1, "")
                done.append(1)
            finally:
                closed.set()

        jobs.start(steps())
        assert begun.wait(10)
        getattr(jobs, stop)()
        assert not jobs.running
        go.set()
        assert closed.wait(10)
        assert done == []
        assert log.said == ([None] if stop == "cancel" else [])
        jobs.start(steps())
        assert jobs.running == (stop == "cancel")
        jobs.close()


def test_an_error_is_reported_and_the_next_job_runs() -> None:
    log = Log()
    jobs = Jobs(log)

    def bad() -> Steps:
        yield JobProgress(0, "")
        raise ValueError("in words")

    jobs.start(bad())
    assert jobs.wait(10)
    assert isinstance(log.said[-1], ValueError)

    def good() -> Steps:
        yield JobProgress(1, "good")

    jobs.start(good())
    assert jobs.wait(10)
    assert log.said[-2:] == [JobProgress(1, "good"), None]


def test_what_waits_for_a_job_comes_when_it_has_ended() -> None:
    jobs = Jobs(lambda _: None)
    seen: list[object] = []

    def steps() -> Steps:
        # Past this, it looks at nothing any more.
        yield lambda: jobs.afterwards(lambda: seen.append(jobs.running))

    jobs.start(steps())
    assert jobs.wait(30)
    assert seen == [False]
    # Once; and without a job, now.
    jobs.start(step for step in [lambda: None])
    assert jobs.wait(30)
    jobs.afterwards(lambda: seen.append("now"))
    assert seen == [False, "now"]


@pytest.mark.parametrize("end", ["cancel", "replace", "close"])
def test_nothing_waits_for_a_job_that_was_stopped_or_replaced(end: str) -> None:
    jobs = Jobs(lambda _: None)
    seen: list[object] = []
    begun, go = threading.Event(), threading.Event()

    def steps() -> Steps:
        yield begun.set
        go.wait(30)

    jobs.start(steps())
    assert begun.wait(30)
    first = jobs._thread
    assert first is not None
    jobs.afterwards(lambda: seen.append(1))
    if end == "replace":
        jobs.start(step for step in [lambda: None])
    else:
        getattr(jobs, end)()
    go.set()
    first.join(30)
    assert jobs.wait(30)
    assert seen == []


def test_waiting_while_a_job_is_being_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(lambda _: None)
    jobs.start(step for step in [lambda: None])
    assert jobs.wait(30)
    begins, go = threading.Event(), threading.Event()
    start = threading.Thread.start

    def slow(thread: threading.Thread) -> None:
        if thread.name == "neuronwidgets-job":
            begins.set()
            assert go.wait(30)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow)
    following = threading.Thread(target=lambda: jobs.start(step for step in [lambda: None]))
    following.start()
    assert begins.wait(30)
    ended: list[bool] = []
    waiting = threading.Thread(target=lambda: ended.append(jobs.wait(30)))
    waiting.start()
    waiting.join(0.2)
    go.set()
    waiting.join(30)
    following.join(30)
    assert ended == [True]
