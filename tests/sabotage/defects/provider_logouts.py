"""Defects of the logouts that are kept for sign-ins in flight."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

OIDC = {"auth": "oidc"}
provider_logout = partial(Defect, "provider_logouts", answers=OIDC)
# SQLite has one writer, who has locked everything.
on_a_server = partial(Defect, "provider_logouts", answers=OIDC | {"database": "postgresql"})
REMEMBER = "        provider_logouts.remember(issuer, claims)\n"

DEFECTS = [
    provider_logout(
        "a logout ends only the sessions that are there",
        REMEMBER,
        "",
        "test_a_logout_during_the_exchange_refuses_the_sign_in",
    ),
    provider_logout(
        "a sign-in asks for no logout",
        "    provider_logouts.refuse_ended(known.settings.issuer, claims, started)\n",
        "",
        "test_a_logout_during_the_exchange_refuses_the_sign_in",
    ),
    provider_logout(
        "a sign-in waits for no logout",
        "    _lock(keys)\n",
        "",
        "test_a_sign_in_waits_for_a_logout_that_has_begun",
    ),
    on_a_server(
        "a logout need not wait until the session of a sign-in is there",
        "    began = datetime.fromtimestamp(",
        "    db.session.commit()\n    began = datetime.fromtimestamp(",
        "test_a_logout_before_the_commit_of_a_sign_in_ends_its_session",
    ),
    provider_logout(
        "a logout ends sign-ins that are started later",
        ", ProviderLogout.ended_at >= began\n",
        ", ProviderLogout.ended_at > NEVER\n",
        "test_a_sign_in_that_was_started_later_is_accepted",
    ),
    provider_logout(
        "the end of one session refuses the sign-ins of all",
        'kind = "sid" if "sid" in claims else "sub"',
        'kind = "sub" if "sub" in claims else "sid"',
        "test_another_logout_does_not_refuse_the_sign_in",
    ),
    provider_logout(
        "a logout is forgotten before the sign-in ends",
        "KEPT = timedelta(seconds=pending.LIFETIME) + single_use.MARGIN",
        "KEPT = single_use.MARGIN",
        "test_a_logout_is_kept_for_as_long_as_a_sign_in_may_take",
    ),
    provider_logout(
        "no clock may be behind",
        "datetime.fromtimestamp(started.started_at, UTC) - CLOCKS",
        "datetime.fromtimestamp(started.started_at, UTC)",
        "test_the_clocks_of_two_instances_may_differ",
    ),
]
