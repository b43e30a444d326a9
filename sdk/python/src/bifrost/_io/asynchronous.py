"""Runs operations on asyncio, through one pool of connections per event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from weakref import WeakKeyDictionary

import httpx

from bifrost._core.place import Place
from bifrost._core.retry import Attempts
from bifrost._core.settings import Settings
from bifrost._core.wire import Answer, Call, NoAnswer, Operation, T, error_of_silence
from bifrost._io.shared import Pool, answer_of, arguments, silence_of

_Key = tuple[Pool, int]


class _Clients:
    """The clients of one event loop. They close with it, before it does."""

    def __init__(self) -> None:
        self._clients: dict[_Key, httpx.AsyncClient] = {}
        self._keeper: AsyncGenerator[None, None] | None = None

    async def get(self, pool: Pool) -> httpx.AsyncClient:
        if self._keeper is None:
            # `asyncio.run` closes what async generators are still open while the loop still runs.
            self._keeper = self._keep()
            await self._keeper.__anext__()
        # A child process must not speak on its parent's connections.
        key = (pool, os.getpid())
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = httpx.AsyncClient(**pool.options())
        return client

    async def close(self) -> None:
        if self._keeper is not None:
            await self._keeper.aclose()

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            clients = [client for (_, pid), client in self._clients.items() if pid == os.getpid()]
            self._clients.clear()
            self._keeper = None
            for client in clients:
                await client.aclose()


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Clients] = WeakKeyDictionary()


async def run(place: Place, operation: Operation[T]) -> T:
    """Makes the operation's calls, and returns its result."""
    try:
        call = next(operation)
        while True:
            call = operation.send(await _perform(place.settings, call))
    except StopIteration as end:
        result: T = end.value
        return result


async def close() -> None:
    """Closes this event loop's connections. Loops of `asyncio.run` do so by themselves when they end."""
    clients = _by_loop.get(asyncio.get_running_loop())
    if clients is not None:
        await clients.close()


def _clients() -> _Clients:
    loop = asyncio.get_running_loop()
    clients = _by_loop.get(loop)
    if clients is None:
        # Loops that were closed by hand have left theirs; nothing can close those any more.
        for ended in [known for known in _by_loop if known.is_closed()]:
            del _by_loop[ended]
        clients = _by_loop[loop] = _Clients()
    return clients


async def _perform(settings: Settings, call: Call) -> Answer:
    attempts = Attempts(call.repeatable)
    while True:
        outcome = await _send(settings, call)
        pause = attempts.pause_after(outcome)
        if pause is None:
            break
        await asyncio.sleep(pause)
    if isinstance(outcome, NoAnswer):
        raise error_of_silence(outcome, settings.url)
    return outcome


async def client(pool: Pool) -> httpx.AsyncClient:
    """This event loop's client for a pool of connections."""
    return await _clients().get(pool)


async def _send(settings: Settings, call: Call) -> Answer | NoAnswer:
    through = await client(Pool.of(settings))
    try:
        return answer_of(await through.request(**arguments(settings, call)))
    except httpx.HTTPError as error:
        return silence_of(error)
