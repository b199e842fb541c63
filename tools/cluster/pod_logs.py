"""The logs of all pods, also deleted ones, and why requests were answered with 5xx.

kubelet removes the log of a pod together with the pod. A hard link keeps it. kind's nodes have
their logs elsewhere, and none is kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.cluster.environment import BUILD, run_folder

EVERY = 1.0  # seconds between two looks for new logs
MOST = 12  # requests of a service that a scenario prints
FAILED = re.compile(r'"status":"5\d\d"')  # in a line of Nginx
ONE_LINE = re.compile(r"^(\S+) std(?:out|err) ([FP]) (.*)$")  # containerd's: time, whole or part


@contextmanager
def keep() -> Iterator[None]:
    """Keep each log of a pod until the block ends; then copy them to the logs of the last run."""
    kept().mkdir()
    done = threading.Event()

    def follow() -> None:
        while not done.wait(EVERY):
            link()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        link()
        shutil.copytree(kept(), BUILD / "logs" / "pods", dirs_exist_ok=True)


def kept() -> Path:
    """The folder with the logs, NAMESPACE_POD_UID_CONTAINER_NUMBER.log."""
    return run_folder() / "kept"


def link() -> None:
    """Link each log that has no link yet."""
    for path in run_folder().glob("node*/logs/*/*/*.log"):
        new = kept() / "_".join(path.parts[-3:])
        try:
            os.link(path, new)
        except (FileExistsError, FileNotFoundError):  # linked before, or removed at this moment
            continue


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Time and text of each line; containerd cuts long ones into parts."""
    parts: list[str] = []
    for line in path.read_text("utf-8", "replace").splitlines():
        if found := ONE_LINE.match(line):
            parts.append(found[3])
            if found[2] == "F":
                yield found[1], "".join(parts)
                parts = []


def explain(namespace: str, since: str) -> list[str]:
    """All lines of each request that was answered with 5xx, in the order of time.

    :param since: lines before this time do not count; ISO 8601, in UTC and without a zone.
    """
    found = [
        (when, path, text)
        for path in kept().glob(f"{namespace}_*.log")
        for when, text in lines(path)
        if when >= since
    ]
    failed = [_entry(text).get("request_id") for _, _, text in found if FAILED.search(text)]
    chosen = set(failed[:MOST])
    shown = [
        f"{when} {path.name.split('_')[1]} {_short(_entry(text))}"
        for when, path, text in sorted(found)
        if _entry(text).get("request_id") in chosen
    ]
    return shown + [f"and {len(failed) - MOST} more requests"] * (len(failed) > MOST)


def _entry(text: str) -> dict[str, Any]:
    """A line that is no object of JSON, such as one of Nginx's error log, has no request id."""
    try:
        entry = json.loads(text)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _short(entry: dict[str, Any]) -> str:
    """A line without what the others say as well; of an exception, the line with its text."""
    if trace := entry.get("exception"):
        said = [line for line in str(trace).splitlines() if line and line[0] not in " ("]
        entry = entry | {"exception": said[-1]}
    left_out = ("time", "address", "protocol", "tls", "host", "bytes")
    return json.dumps({name: text for name, text in entry.items() if name not in left_out})
