"""The scenarios, in this order. Visitors send requests all the time."""

from __future__ import annotations

from collections.abc import Callable

from tools.cluster import failures, operations, outages
from tools.cluster.testbed import Testbed

# Order and names of the command's ONLY. The first column of docs/cluster.md has the names.
SCENARIOS: dict[str, Callable[[Testbed], None]] = {
    "update": operations.update,
    "again": operations.again,
    "rollback": operations.rollback,
    "rotation": operations.rotation,
    "metrics": operations.metrics,
    "killed-pod": failures.killed_pod,
    "drain": failures.drain,
    "killed-node": failures.killed_node,
    "database-off": outages.database_off,
    "dns-off": outages.dns_off,
    "backup": operations.backup,
}
