"""A thread that writes, so that the model does not wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

AHEAD = 2
"""Batches that wait to be written or are being written: one fills while the other is emptied."""


class WritingThread:
    """Does tasks one after the other on a thread. After an error it does none.

    Args:
        ahead: tasks that wait or are being done; `do` waits while there are as many.
    """

    def __init__(self, ahead: int = AHEAD) -> None:
        self._ahead = ahead
        self._pending: deque[Future[None]] = deque()
        self._last: Future[None] | None = None
        self._error: BaseException | None = None
        # Its thread starts with the first task, and ends before Python does.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="neuronwidgets-writing")

    def do(self, task: Callable[[], object]) -> None:
        """Do a task soon.

        Raises:
            BaseException: the error of an earlier task.
        """
        while len(self._pending) >= self._ahead:
            self._pending.popleft().result()
        self._raise()
        self._last = self._pool.submit(self._run, task)
        self._pending.append(self._last)

    def drain(self) -> None:
        """Wait until all is done.

        Raises:
            BaseException: the error of a task.
        """
        self.settle()
        self._raise()

    def settle(self) -> None:
        """Wait until all is done, or cannot be. Any thread may call it."""
        if self._last is not None:
            wait([self._last])

    def close(self) -> None:
        """Wait for the task that is being done, and do no other."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pending.clear()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self, task: Callable[[], object]) -> None:
        if self._error is not None:
            return
        try:
            task()
        except BaseException as error:
            self._error = error
