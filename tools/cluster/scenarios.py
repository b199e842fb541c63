"""The scenarios, in this order. Visitors send requests all the time."""

from __future__ import annotations

from collections.abc import Callable

from tools.cluster import accidents, operations
from tools.cluster.stage import Stage

# Order and names of the command's ONLY. The first column of docs/cluster.md has the names.
SCENARIOS: dict[str, Callable[[Stage], None]] = {
    "update": operations.update,
    "again": operations.again,
    "rollback": operations.rollback,
    "rotation": operations.rotation,
    "killed-pod": accidents.killed_pod,
    "drain": accidents.drain,
    "killed-node": accidents.killed_node,
    "database-off": accidents.database_off,
    "dns-off": accidents.dns_off,
    "backup": operations.backup,
}
