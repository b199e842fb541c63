"""QR codes as inline SVG, which the Content-Security-Policy allows: no style, no foreign image."""

from __future__ import annotations

from dataclasses import dataclass

import segno

QUIET = 4  # modules of margin, ISO/IEC 18004 section 9.1


@dataclass(frozen=True)
class QRCode:
    """A QR code as a template draws it.

    :param size: of each side, in modules, with the margin.
    :param path: the dark modules, as the path of an SVG.
    """

    size: int
    path: str

    @classmethod
    def of(cls, text: str) -> QRCode:
        """The QR code that says ``text``."""
        code = segno.make(text, micro=False)
        rows = [*code.matrix_iter(border=QUIET)]
        path = "".join(
            f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
        )
        return cls(len(rows), path)
