"""Run in a service's folder with its Python: print production settings, then wait.

Redis and database of these settings run until standard input ends.
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
