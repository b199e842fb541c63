"""Tests of the service. A failing ``assert`` of a helper shows its values, as those of tests do."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{path.stem}"
        for path in Path(__file__).parent.glob("[!_]*.py")
        if path.stem != "conftest"
    ),
    f"{__name__}.security",
)
