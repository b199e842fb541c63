"""How long sessions last; :mod:`app.settings` reads it. ASVS 7.1.1, 7.3.1, 7.3.2."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app

# Where nothing is set. OWASP Session Management cheat sheet: 15 to 30 minutes idle for a low-risk
# application, 4 to 8 hours absolute for an office day; NIST SP 800-63B-4 allows 24 hours. PyPI ends
# sessions after 12.
IDLE_TIMEOUT = timedelta(minutes=30)
ABSOLUTE_TIMEOUT = timedelta(hours=12)
# Nobody reads a page or fills in a form in less; "last seen" is precise to a minute.
SHORTEST = timedelta(minutes=5)
# NIST SP 800-63B-4 asks for a new sign-in after 30 days at the latest, also at its first level.
LONGEST = timedelta(days=30)
DURATION = re.compile(r"([1-9][0-9]{0,4}) (minute|hour|day)s?")


@dataclass(frozen=True)
class SessionSettings:
    """When a session ends by itself.

    :param idle: time without a request, so that nobody can use a browser that was left open.
    :param absolute: time since the sign-in, so that a stolen cookie does not work for ever.
    :param stay: replaces ``idle`` for users who chose to stay signed in; None: not offered.
    """

    idle: timedelta
    absolute: timedelta
    stay: timedelta | None

    @classmethod
    def read(
        cls, read: Callable[..., str], problems: list[str], stay: str = "off"
    ) -> SessionSettings:
        """Read the settings; what is malformed or out of bounds is added to ``problems``.

        :param stay: ``STAY_SIGNED_IN``, where this way to sign in has it.
        """
        count = len(problems)
        idle = duration("SESSION_IDLE_TIMEOUT", read("SESSION_IDLE_TIMEOUT"), problems)
        absolute = duration("SESSION_ABSOLUTE_TIMEOUT", read("SESSION_ABSOLUTE_TIMEOUT"), problems)
        longer = None if stay == "off" else duration("STAY_SIGNED_IN", stay, problems)
        found = cls(idle or IDLE_TIMEOUT, absolute or ABSOLUTE_TIMEOUT, longer)
        if len(problems) == count:
            problems += found.out_of_bounds()
        return found

    def out_of_bounds(self) -> list[str]:
        """What is too short or too long, by the setting's name."""
        problems = []
        if not SHORTEST <= self.absolute <= LONGEST:
            problems.append("SESSION_ABSOLUTE_TIMEOUT must be from 5 minutes to 30 days")
        if not SHORTEST <= self.idle <= self.absolute:
            problems.append(
                "SESSION_IDLE_TIMEOUT must be 5 minutes or more, and no longer than"
                " SESSION_ABSOLUTE_TIMEOUT"
            )
        if self.stay and not self.idle < self.stay <= self.absolute:
            problems.append(
                "STAY_SIGNED_IN must be longer than SESSION_IDLE_TIMEOUT, and no longer than"
                " SESSION_ABSOLUTE_TIMEOUT, which is 12 hours unless it is set"
            )
        return problems

    def idle_of(self, stays: bool | None) -> timedelta:
        """After how long without a request a session ends.

        :param stays: whether its user chose to stay signed in. When that is not offered any more,
            the sessions that stayed end as all others.
        """
        return (self.stay if stays else None) or self.idle


def lifetime() -> SessionSettings:
    """How long the sessions of this service last."""
    return current_app.config["SETTINGS"].sessions  # type: ignore[no-any-return]


def duration(name: str, text: str, problems: list[str]) -> timedelta | None:
    """The time that a setting gives; None when it is not set, or malformed."""
    if found := DURATION.fullmatch(text):
        return timedelta(**{f"{found[2]}s": int(found[1])})
    if text:
        problems.append(f"{name} is {text!r}; write 30 minutes, 12 hours or 14 days, for example")
    return None
