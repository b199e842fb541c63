"""What a provider says about a person: address, name, groups.

A log or a traceback that has the claims shows none of them. They are no ``dict``, so a log line
does not write them as JSON, either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.secret import REDACTED


class Claims(Mapping[str, Any]):
    """The claims of a token by name; no text of them is shown."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return REDACTED
