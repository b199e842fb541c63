"""docs/new.svg: the output of ``make new`` in a terminal.

The picture contains no path of this machine, no date and no font from another server, so two runs
draw the same picture.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "new.svg"
ROWS, COLUMNS = 60, 80
TIMEOUT = 30  # seconds without new output
HOME = "/home/you"
REPLIES = ["Billing API", "", "Invoices and who paid them", "", "", "", "postgresql", "", "systemd"]
PROMPT = b")\x1b[0m: \r\n"
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
}}
.{unique_id}-title {{ font: 18px sans-serif; }}
{styles}
</style>
<defs>
{lines}
</defs>
{chrome}
<g class="{unique_id}-matrix" transform="translate({terminal_x}, {terminal_y})">
{matrix}
</g>
</svg>
"""


def played(folder: Path) -> str:
    """Return the terminal output of `make new` with ``REPLIES``; it renders next to ``folder``.

    :raises RuntimeError: if it fails, or ends before all replies.
    """
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    values = {"HOME": str(folder), "PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, ROOT / "tools" / "new.py"],
        cwd=folder,
        env=values | {"LC_ALL": "C.UTF-8"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    replies = [f"{reply}\n".encode() for reply in REPLIES]
    try:
        while select.select([screen], [], [], TIMEOUT)[0] and (more := read(screen)):
            shown += more
            if replies and shown.count(PROMPT) > len(REPLIES) - len(replies):
                wait_for_readline(screen)
                os.write(screen, replies.pop(0))
    finally:
        os.close(screen)  # this ends a program that still waits
    if process.wait(TIMEOUT) != 0 or replies:
        raise RuntimeError(f"make new did not finish:\n{shown.decode()}")
    return re.sub(
        "\x1b\\[\\?2004[hl]|\r", "", shown.decode()
    )  # readline announces how it takes a paste


def wait_for_readline(screen: int) -> None:
    """Wait until readline edits the line: the terminal shows earlier input twice."""
    deadline = time.monotonic() + TIMEOUT
    while termios.tcgetattr(screen)[3] & termios.ICANON and time.monotonic() < deadline:
        time.sleep(0.01)


def read(screen: int) -> bytes:
    """Return the next output; empty at the end."""
    try:
        return os.read(screen, 4096)
    except OSError:  # on Linux: the program has closed its terminal
        return b""


def drawn() -> str:
    """Return the picture as SVG."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home).resolve() / "hardened-flask"
        folder.mkdir()
        shown = played(folder).replace(str(folder.parent), HOME)
    console = Console(file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True)
    console.print(Text.from_ansi(f"\x1b[1m$ make new\x1b[0m\n{shown.rstrip()}"))
    svg = console.export_svg(title="make new", theme=MONOKAI, code_format=FRAME, unique_id="new")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"
