"""What a test says of itself, for ``make practices`` and ``make report``.

``@asvs("6.2.1")`` names requirements of OWASP ASVS 5.0 (their texts: ``security/asvs.list``). It is
written only where the test fails when that requirement is broken; it does not say that this one
test covers all of it. ``@practice("csrf")`` names the practice, unless the file's name does.
"""

from __future__ import annotations

import pytest

asvs = pytest.mark.asvs
practice = pytest.mark.practice
slow = pytest.mark.slow  # it takes 0.15 s of processor time or waits, so `make test` leaves it out
