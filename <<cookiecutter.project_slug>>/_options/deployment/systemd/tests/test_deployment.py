"""Units: what somebody who has taken over the service could do next on its host.

``tests/deployment_policy.py`` is the table of what each unit may do.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deployment_policy import HARDENING, HARMLESS, SLUG, TABLE, UNITS
from tests.marks import asvs, practice
from tests.policy import check, seconds

FOLDER = Path("deploy/systemd")
OF_UNIT = {*HARMLESS, "JoinsNamespaceOf"}
FILES = sorted(
    path.name for kind in ("service", "socket", "timer") for path in FOLDER.glob(f"*.{kind}")
)


def settings(name: str) -> dict[str, list[str]]:
    """The settings of a unit. systemd ignores a line that it does not know, and one in a section
    where it does not belong: such a line would protect nothing."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[(Unit|Service|Socket|Timer|Install)\]", line):
            section = match[1]
        elif line and not line.startswith("#"):
            setting = re.fullmatch(r"(\w+)=(.*[^\\]|)", line)
            assert setting, f"{name}: {line!r} is neither a section nor a setting in one line"
            assert section in ("Service", "Socket", "Timer") or setting[1] in OF_UNIT, (
                f"{name}: [{section}] has no {setting[1]}; systemd ignores it there"
            )
            found.setdefault(setting[1], []).append(setting[2])
    return found


def judged(name: str) -> dict[str, str | list[str]]:
    """The settings that are not harmless, as the table writes them."""
    return {
        key: values[0] if len(values) == 1 else values
        for key, values in settings(name).items()
        if key not in HARMLESS
    }


def test_the_restrictions_of_all_units_match_the_policy() -> None:
    check("deploy/systemd/hardening.conf", judged("hardening.conf"), HARDENING, TABLE)


def test_every_unit_is_in_the_policy() -> None:
    check("deploy/systemd", dict.fromkeys(FILES), dict.fromkeys(UNITS), TABLE)


@practice("audits")
@asvs("13.2.2", "13.2.4", "13.2.5", "13.3.2")
@pytest.mark.parametrize("name", UNITS)
def test_each_unit_matches_the_policy(name: str) -> None:
    """Its user, privileges, files, network, secrets, limits and command."""
    found = judged(name)
    # The values of hardening.conf are added to those of the unit or replaced by them: a unit that
    # names one of them again says something else.
    assert not HARDENING.keys() & found.keys(), f"{name}: hardening.conf is for all units"
    check(f"deploy/systemd/{name}", found, UNITS[name], TABLE)


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_no_secret_is_a_variable(name: str) -> None:
    """/proc shows them, and every child inherits them."""
    assert not {"Environment", "SetCredential", "PassEnvironment"} & settings(name).keys()


@practice("logs")
@asvs("16.4.3")
@pytest.mark.parametrize("name", [*FILES, "hardening.conf"])
def test_every_unit_writes_to_the_journal(name: str) -> None:
    """It is systemd's default, and the journal is what is sent to another system."""
    elsewhere = {"StandardOutput", "StandardError", "LogNamespace", "LogsDirectory"}
    assert not elsewhere & settings(name).keys()


def test_a_killed_service_is_started_at_once_and_requests_wait() -> None:
    """tests/test_restart.py kills it."""
    unit, listening = settings("app.service"), settings("app.socket")
    assert (unit["Restart"], unit["RestartSec"]) == (["always"], ["100ms"])
    assert unit["Type"] == ["notify"]  # so that a start that fails is seen as one
    assert unit["Requires"] == [f"{SLUG}.socket"]
    site = Path("deploy/nginx/site.conf").read_text(encoding="utf-8")
    assert f"server unix:{listening['ListenStream'][0]} " in site


def test_the_mail_process_runs_whenever_the_service_runs() -> None:
    """And comes to the end of the mail at hand: a kill in between sends it twice."""
    unit = settings("app-mail.service")
    assert unit["PartOf"] == [f"{SLUG}.service"]  # the same code and keys, after each restart
    assert f"{SLUG}-mail.service" in settings("app.service")["Wants"][0].split()
    assert unit["Restart"] == ["always"]
    assert (unit["Type"], unit["WatchdogSec"]) == (["notify"], ["15min"])  # it may also hang
    timeout = seconds("app/mail/transport.py", "TIMEOUT")
    assert int(unit["TimeoutStopSec"][0]) >= timeout + 30
