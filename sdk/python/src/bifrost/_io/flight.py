"""Many who want the same thing at once, and one who goes to get it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine


class Flight:
    """For tasks: who comes while one is under way waits for that one's end, and shares its outcome."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def join(self, start: Callable[[], Coroutine[None, None, None]]) -> None:
        """Returns, or raises, as the one under way does. A caller that is cancelled does not end it for the others."""
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._task = loop.create_task(start())
            # With nobody left to wait, nobody asks for its error.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.shield(task)

    def __reduce__(self) -> tuple[type[Flight], tuple[()]]:
        # A copy starts with nobody under way.
        return (Flight, ())


class Turnstile:
    """The same for threads: who had to wait finds the thing done, unless it failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = 0

    def pass_once(self, action: Callable[[], None], is_done: Callable[[], bool] = lambda: False) -> None:
        """`is_done` is asked when it is one's turn; it knows of what was done before one came, too."""
        seen = self._done
        with self._lock:
            if self._done == seen and not is_done():
                action()
                self._done += 1

    def __reduce__(self) -> tuple[type[Turnstile], tuple[()]]:
        return (Turnstile, ())
