"""Changed numbers that no other test notices soon: timeouts, lifetimes, flood limits."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

numbers = partial(Defect, "numbers", guard="test_every_number_is_in_the_table")
documents = partial(Defect, "numbers", guard="test_the_documents_name_the_numbers_of_the_service")
switches = partial(Defect, "numbers", guard="test_every_setting_of_flask_is_in_the_table")

DEFECTS = [
    numbers("a hanging worker lives for five minutes", "timeout = 30  #", "timeout = 300  #"),
    numbers("a worker with a leak lives for ever", "max_requests = 10_000", "max_requests = 0"),
    Defect(
        "numbers",
        "an answer of the app may take minutes",
        "read_timeout 35s",
        "read_timeout 350s",
        "test_every_line_of_nginx_is_in_the_table",
        file="deploy/nginx/proxy.conf",
    ),
    numbers("a session is never one too many", "MAX_SESSIONS = 10 ", "MAX_SESSIONS = 1000 "),
    numbers("a frozen Redis stops each request", "TIMEOUT = 1  #", "TIMEOUT = 10  #"),
    numbers("a process takes 55 connections", '"max_overflow": 5', '"max_overflow": 50'),
    numbers(
        "the keys of the provider are kept for a day",
        "KEEP = 600 ",
        "KEEP = 86400 ",
        answers={"auth": "oidc"},
    ),
    documents("more guesses than documented", "**96 guesses a day**", "**9 guesses a day**"),
    switches(
        "cookies are sent anew with each answer",
        "        SESSION_REFRESH_EACH_REQUEST=False,\n",
        "",
    ),
]
