"""When to try again, and after how long: of the API's answers, and of the external APIs' 429."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from bifrost._core.wire import Answer, NoAnswer, seconds_of


@dataclass
class Pauses:
    """How long to wait between tries. Not less than was asked for, spread so that a crowd does not come back as one,
    and not at all where it would be too long: whoever waits holds things up.
    """

    #: How often to try again.
    most: int = 4
    #: A longer pause than this is not made; the caller is told of it instead.
    longest: float = 30.0
    #: All pauses together.
    budget: float = 60.0
    made: int = field(default=0, init=False)
    spent: float = field(default=0.0, init=False)

    def next(self, asked: float | None) -> float | None:
        """The pause before the next try, in seconds; `None` when there is to be none."""
        if self.made >= self.most:
            return None
        if asked is None:
            pause = min(8.0, 0.5 * 2.0**self.made) * random.uniform(0.5, 1.0)  # noqa: S311
        else:
            pause = asked + random.uniform(0.0, 0.1 + asked / 10)  # noqa: S311
        if (asked or 0.0) > self.longest or self.spent + pause > self.budget:
            return None
        self.made += 1
        self.spent += pause
        return pause


@dataclass
class Attempts:
    """The tries of one call."""

    repeatable: bool
    pauses: Pauses = field(default_factory=Pauses)
    #: How often nothing came back although something was sent.
    silences: int = field(default=0, init=False)

    def pause_after(self, outcome: Answer | NoAnswer) -> float | None:
        """The pause before the next try; `None` when this outcome stands."""
        if isinstance(outcome, NoAnswer):
            if outcome.sent:
                # Once more: such silence has lasted long enough.
                if not self.repeatable or self.silences > 0:
                    return None
                self.silences += 1
            return self.pauses.next(None)
        asked = seconds_of(outcome.headers.get("retry-after"))
        refused = outcome.status == 429
        # The gateway's own 503 means that a function is still at it; one with a code, that it is not.
        refused |= outcome.status == 503 and (outcome.problem_code is not None or self.repeatable)
        return self.pauses.next(asked) if refused else None
