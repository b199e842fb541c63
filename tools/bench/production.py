"""Run in a service's folder by its own Python: print the settings of production, then wait.

Their Redis and their database last until standard input ends.
"""

from __future__ import annotations

import json
import sys

from tests.serve import production


def main() -> None:
    with production() as (_, environment):
        print(json.dumps(environment), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
