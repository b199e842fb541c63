"""A database that fails while a token is refreshed: the token is not used up."""

from __future__ import annotations

from flask import Flask

from tests import faults
from tests.browser import Browser
from tests.database import each_connection_runs
from tests.marks import asvs, practice
from tests.retries import Log, assert_retry


@practice("errors")
@asvs("16.5.2")
def test_a_refresh_is_a_write_and_can_be_tried_again(app: Flask, alice: Browser, log: Log) -> None:
    """After a failover the old primary, or a replica, refuses every write."""
    with each_connection_runs(app, faults.READ_ONLY):
        log()
        assert_retry(alice.refresh(), log)
        assert alice.is_signed_in()
    assert alice.refresh().status_code == 200
