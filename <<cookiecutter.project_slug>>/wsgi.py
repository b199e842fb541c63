"""The entry point of gunicorn and of the ``flask`` command."""

import sys

from app import create_app
from app.settings import ConfigurationError

try:
    app = create_app()
except ConfigurationError as error:
    for problem in error.problems:
        print(f"Refusing to start: {problem}", file=sys.stderr)
    sys.exit(3)  # gunicorn's WORKER_BOOT_ERROR: stop the server instead of restarting the worker
