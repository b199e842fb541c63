"""Known weaknesses that the audit passes over, each for a while: the options for pip-audit.

An exception without an end stays for ever, and nobody reads it again. So the table "Accepted
weakness" of ``docs/security-decisions.md`` has a day for each, no later than the severity allows.
`make audit` asks this module first, and fails after that day. ASVS 15.1.1.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, date, datetime, timedelta

from tests.decisions import DOCUMENT, Row, rows

# From the day on which a weakness was found. The document has the reasons.
REPAIR = {
    "critical": timedelta(days=2),
    "high": timedelta(days=7),
    "medium": timedelta(days=30),
    "low": timedelta(days=90),
}
TITLE = "Accepted weakness"
NAME = re.compile(r"(GHSA|PYSEC|CVE)-[A-Za-z0-9-]+")  # no option of a program


class AcceptedError(Exception):
    """An entry of the table that is not valid."""


def options(accepted: list[Row], today: date) -> str:
    """The options of pip-audit that pass over these weaknesses.

    :raises AcceptedError: for one without name, severity, day or reason, and for one that is over.
    """
    return " ".join(f"--ignore-vuln {_name(row, today)}" for row in accepted)


def _name(row: Row, today: date) -> str:
    name = row[TITLE].strip("`")
    if not NAME.fullmatch(name):
        raise AcceptedError(f"{name!r} is no advisory; write GHSA-..., PYSEC-... or CVE-...")
    try:
        found, until = date.fromisoformat(row["Found"]), date.fromisoformat(row["Until"])
    except ValueError:
        raise AcceptedError(f"{name}: write the days it was found and ends as 2030-01-31") from None
    if row["Severity"] not in REPAIR:
        raise AcceptedError(f"{name}: the severity is one of {', '.join(REPAIR)}")
    if found > today:
        raise AcceptedError(f"{name} was not found yet: correct the day")
    if until > (latest := found + REPAIR[row["Severity"]]):
        raise AcceptedError(f"{name} may be accepted until {latest} at most: repair it by then")
    if until < today:
        raise AcceptedError(f"{name} was accepted until {until}: repair it now")
    if not row["Why it does no harm"]:
        raise AcceptedError(f"{name}: say why it does no harm")
    return name


def main() -> str | None:
    """Print the options; what is wrong, or None."""
    try:
        print(options(rows(TITLE), datetime.now(UTC).date()))
    except AcceptedError as error:
        return f"{DOCUMENT}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
