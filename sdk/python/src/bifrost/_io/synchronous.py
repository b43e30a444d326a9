"""Runs operations in the calling thread, through one pool of connections that all threads share."""

from __future__ import annotations

import atexit
import os
import threading
import time

import httpx

from bifrost._core.place import Place
from bifrost._core.retry import Attempts
from bifrost._core.settings import Settings
from bifrost._core.wire import Answer, Call, NoAnswer, Operation, T, error_of_silence
from bifrost._io.shared import Pool, answer_of, arguments, silence_of

_clients: dict[tuple[Pool, int], httpx.Client] = {}
_lock = threading.Lock()


def run(place: Place, operation: Operation[T]) -> T:
    """Makes the operation's calls, and returns its result."""
    try:
        call = next(operation)
        while True:
            call = operation.send(_perform(place.settings, call))
    except StopIteration as end:
        result: T = end.value
        return result


@atexit.register
def close() -> None:
    """Closes all connections; the next call opens new ones."""
    with _lock:
        mine = [client for (_, pid), client in _clients.items() if pid == os.getpid()]
        _clients.clear()
    for client in mine:
        client.close()


def _perform(settings: Settings, call: Call) -> Answer:
    attempts = Attempts(call.repeatable)
    while True:
        outcome = _send(settings, call)
        pause = attempts.pause_after(outcome)
        if pause is None:
            break
        time.sleep(pause)
    if isinstance(outcome, NoAnswer):
        raise error_of_silence(outcome, settings.url)
    return outcome


def _send(settings: Settings, call: Call) -> Answer | NoAnswer:
    try:
        return answer_of(_client(Pool.of(settings)).request(**arguments(settings, call)))
    except httpx.HTTPError as error:
        return silence_of(error)


def _client(pool: Pool) -> httpx.Client:
    # A child process must not speak on its parent's connections.
    key = (pool, os.getpid())
    with _lock:
        client = _clients.get(key)
        if client is None:
            client = _clients[key] = httpx.Client(**pool.options())
        return client


# A lock that was held while the process forked would never be released in the child.
if hasattr(os, "register_at_fork"):

    def _renew_lock() -> None:
        global _lock
        _lock = threading.Lock()

    os.register_at_fork(after_in_child=_renew_lock)
