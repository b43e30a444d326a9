"""When a call is made again: after what, how often, how long later."""

from __future__ import annotations

import math
import time
from datetime import datetime, timezone

import pytest
from support.front import Front, Reply
from support.world import ACME_TENANT, World

from bifrost import integrations, oauth
from bifrost._core.retry import Attempts, Pauses
from bifrost._core.wire import Answer, NoAnswer, seconds_of
from bifrost.errors import ConflictError, RateLimitedError, RefreshInProgressError, UnavailableError

THROTTLED = Answer(429, {}, b'{"message": "Too Many Requests"}')
TIMED_OUT = Answer(503, {}, b'{"message": "Service Unavailable"}')
REFRESHING = Answer(503, {"retry-after": "2"}, b'{"code": "refresh-in-progress"}')
NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-7", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("nan", None),
        ("inf", None),
        ("9" * 400, math.inf),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("Sat, 31 Feb 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text, NOW) == seconds


def test_a_pause_is_never_shorter_than_asked_for_and_spread() -> None:
    pauses = [Pauses().next(10.0) for _ in range(200)]
    assert all(pause is not None and 10.0 <= pause <= 11.1 for pause in pauses)
    assert len(set(pauses)) > 100


def test_pauses_grow_where_nothing_is_asked_for_and_are_spread() -> None:
    for _ in range(100):
        pauses = Pauses(most=8, budget=1000)
        made = [pauses.next(None) for _ in range(8)]
        for number, pause in enumerate(made):
            most = min(8.0, 0.5 * 2**number)
            assert pause is not None
            assert most / 2 <= pause <= most


def test_pauses_are_bounded_each_together_and_in_number() -> None:
    assert Pauses(longest=30).next(30.1) is None
    assert Pauses(longest=30).next(math.inf) is None
    together = Pauses(most=100, longest=30, budget=60)
    assert sum(1 for _ in range(100) if together.next(25.0) is not None) == 2
    few = Pauses(most=3)
    assert [few.next(0.0) is None for _ in range(5)] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("outcome", "repeatable", "again"),
    [
        (THROTTLED, False, True),
        (REFRESHING, False, True),
        (TIMED_OUT, True, True),
        (TIMED_OUT, False, False),
        (NoAnswer("refused", sent=False), False, True),
        (NoAnswer("cut off", sent=True), True, True),
        (NoAnswer("cut off", sent=True), False, False),
        (Answer(500, {}, b"{}"), True, False),
        (Answer(404, {}, b"{}"), True, False),
        (Answer(409, {"retry-after": "1"}, b'{"code": "provider-unavailable"}'), True, False),
        (Answer(200, {}, b"{}"), True, False),
    ],
)
def test_only_what_may_be_repeated_is(outcome: Answer | NoAnswer, repeatable: bool, again: bool) -> None:
    assert (Attempts(repeatable).pause_after(outcome) is not None) == again


async def test_a_throttled_call_waits_as_long_as_it_is_told(api: Front) -> None:
    began = time.monotonic()
    with api.replying(Reply(429, b'{"message": "Too Many Requests"}', {"retry-after": "1"})):
        found = await integrations.get("HaloPSA")
    assert found is not None
    assert found.entity_id == ACME_TENANT
    assert 1.0 <= time.monotonic() - began < 20.0
    assert len(api.seen) == 2


async def test_a_refresh_in_progress_is_waited_for(api: Front) -> None:
    busy = Reply(503, b'{"code": "refresh-in-progress", "detail": "busy"}', {"retry-after": "0"})
    with api.replying(busy, busy, busy):
        assert (await oauth.get_token("Pax8")).access_token
    assert len(api.seen) == 4


async def test_who_waits_in_vain_is_told_how_long_to_wait(api: Front) -> None:
    busy = Reply(
        503, b'{"code": "refresh-in-progress", "detail": "busy", "fix": "later"}', {"retry-after": "0"}
    )
    with api.meddling(lambda _: busy), pytest.raises(RefreshInProgressError) as raised:
        await oauth.get_token("Pax8")
    assert (raised.value.retry_after, raised.value.fix) == (0.0, "later")
    assert len(api.seen) == 5


async def test_a_pause_that_is_too_long_is_left_to_the_caller(api: Front) -> None:
    slow = Reply(429, b'{"message": "Too Many Requests"}', {"retry-after": "3600"})
    began = time.monotonic()
    with api.meddling(lambda _: slow), pytest.raises(RateLimitedError) as raised:
        await integrations.get("HaloPSA")
    assert raised.value.retry_after == 3600.0
    assert time.monotonic() - began < 20.0
    assert len(api.seen) == 1


async def test_a_connection_that_breaks_is_tried_again(api: Front) -> None:
    with api.replying(Reply(None)):
        assert await integrations.get("HaloPSA") is not None
    with api.meddling(lambda _: Reply(None)), pytest.raises(UnavailableError):
        await integrations.get("HaloPSA")
    assert len(api.seen) == 4


async def test_a_delete_that_may_have_happened_is_not_repeated(api: Front, world: World) -> None:
    """The second would find nothing, and say that there was nothing to delete."""
    gone = Reply(503, b'{"message": "Service Unavailable"}')
    with api.replying(gone), pytest.raises(UnavailableError):
        await integrations.delete_mapping("HaloPSA", world.acme)
    assert len(api.seen) == 1


async def test_a_conflict_is_not_tried_forever(api: Front, world: World) -> None:
    stale = Reply(412, b'{"code": "stale-revision", "detail": "stale", "fix": "read again"}')
    with (
        api.meddling(lambda seen: stale if seen.method == "PUT" else None),
        pytest.raises(ConflictError),
    ):
        await integrations.upsert_mapping("HaloPSA", world.acme, ACME_TENANT)
    assert api.count(f"/integrations/HaloPSA/mappings/{world.acme}", "PUT") == 5


async def test_an_address_where_nobody_is_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("BIFROST_KEY", "bfk_some_key")
    monkeypatch.setattr("bifrost._core.retry.Pauses.next", lambda *_: None)
    with pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9 gave no answer") as raised:
        await integrations.get("HaloPSA")
    assert raised.value.code == "unreachable"
