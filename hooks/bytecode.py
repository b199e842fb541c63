"""Keep what Jinja compiled beside what Python compiled, so that a rendering compiles nothing again.

Compiling its files is a third of what a rendering costs above a template of one file.
"""

from __future__ import annotations

import contextlib
import sys
from hashlib import sha1
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket, FileSystemBytecodeCache

HERE = Path(__file__).parent


class Bytecode(FileSystemBytecodeCache):
    """In ``__pycache__``, as Python's own: only where that is written, and believed as much.

    Jinja compares the source of a file and the version of Python. What else decides how a file is
    compiled is in the name: the delimiters, in cookiecutter.json, and the version of Jinja.
    """

    def __init__(self) -> None:
        questions = (HERE.parent / "cookiecutter.json").read_bytes()
        key = sha1(questions + jinja2.__version__.encode(), usedforsecurity=False).hexdigest()
        super().__init__(str(HERE / "__pycache__"), f"jinja-{key[:12]}-%s.bytecode")

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write it, unless Python may not write its own; a folder of somebody else is no error."""
        if not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):
                super().dump_bytecode(bucket)
