"""Edit a typed answer with the arrow keys, Home and End."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import rich
from rich.console import ConsoleRenderable, RenderHook
from rich.text import Text

PROMPT_END = ": "  # rich writes it after every question


class AnswerBelow(RenderHook):
    """Ends a question with a new line.

    Readline redraws the edited line from the first column. It does not know the question, because
    rich prints that, so it would overwrite a question on the same line.
    """

    def process_renderables(
        self, renderables: Iterable[ConsoleRenderable]
    ) -> list[ConsoleRenderable]:
        """Return the renderables of one print; a question ends with a new line."""
        return [
            it.copy().append("\n") if isinstance(it, Text) and it.plain.endswith(PROMPT_END) else it
            for it in renderables
        ]


def switch_on() -> None:
    """Let readline edit answers, if it is available and the answers come from a terminal."""
    try:
        import readline  # noqa: F401 - Python's input() uses it once it is imported
    except ImportError:  # Windows edits by itself
        return
    console = rich.get_console()
    if sys.stdin.isatty() and console.is_terminal:
        console.push_render_hook(AnswerBelow())
