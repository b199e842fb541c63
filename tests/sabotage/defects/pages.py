"""Defects in pages: errors, the footer, configured timeouts, staying signed in."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

pages = partial(Defect, "pages")

FAILED = "test_the_page_of_a_server_error_is_the_same_for_all_users"
STAYS = "test_a_session_stays_only_when_the_box_is_ticked"

DEFECTS = [
    pages(
        "an ended session is not confirmed",
        '    flash("That session has ended.")\n',
        "",
        "test_each_action_says_what_it_did",
    ),
    pages(
        "the page of a failure shows who is signed in",
        '"user" in g and int(str(problem["status"])) < 500',
        '"user" in g',
        FAILED,
    ),
    pages(
        "an error page has no navigation",
        '<nav aria-label="Main">\n'
        "      {% for endpoint, text in navigation %}{{ nav_link(endpoint, text) }}\n",
        '<nav aria-label="Main">\n',
        "test_a_page_that_is_not_there_keeps_the_navigation",
    ),
    pages(
        "a page that is not there speaks of the server",
        "    if error.description == type(error).description:\n",
        "    if not error.description:\n",
        "test_every_error_page_says_in_plain_text_what_to_do",
    ),
    pages(
        "a text is lost when the database fails",
        "AGAIN = (429, 500, 503)",
        "AGAIN = (429, 500)",
        "test_a_text_survives_a_failure",
    ),
    pages(
        "a text is lost behind a limit",
        "AGAIN = (429, 500, 503)",
        "AGAIN = (500, 503)",
        "test_a_text_survives_a_limit",
    ),
    pages(
        "a link at the foot runs a script",
        "        if url and not HTTPS_URL.fullmatch(url) and not OWN_PAGE.fullmatch(url):\n",
        '        if " " in url:\n',
        "test_start_up_refuses_an_invalid_footer_address",
    ),
    pages(
        "a path at the foot leads to another site",
        'OWN_PAGE = re.compile(r"/([A-Za-z0-9._~-][A-Za-z0-9/._~-]*)?")',
        'OWN_PAGE = re.compile(r"/[A-Za-z0-9/._~-]*")',
        "test_start_up_refuses_an_invalid_footer_address",
    ),
    pages(
        "production has the page of developers",
        "    if not settings.production:\n        development.init_app(app)\n",
        "    development.init_app(app)\n",
        "test_production_has_no_components_page",
    ),
    pages(
        "a timeout may be as long as one likes",
        "if not SHORTEST <= self.absolute <= LONGEST:",
        "if not SHORTEST <= self.absolute:",
        "test_start_up_refuses_a_timeout_out_of_range",
    ),
    pages(
        "the timeout of the operator does not count",
        "    idle, absolute = lifetime().idle_of(session.stays), lifetime().absolute\n",
        "    idle, absolute = timedelta(minutes=30), timedelta(hours=12)\n",
        "test_a_session_ends_when_the_setting_says",
    ),
    pages(
        "whoever sends the field stays",
        "    return True if chosen and offered() else None\n",
        "    return True if chosen else None\n",
        "test_staying_signed_in_is_off_by_default",
    ),
    pages(
        "everybody stays",
        "    return True if chosen and offered() else None\n",
        "    return True if offered() else None\n",
        STAYS,
    ),
    pages(
        "staying outlasts the absolute timeout",
        "        or at - session.created_at > absolute\n",
        "        or (at - session.created_at > absolute and not session.stays)\n",
        "test_a_session_that_stays_ends_as_well",
    ),
    pages(
        "each answer extends the cookie",
        "            return datetime.fromtimestamp(until, UTC)\n",
        "            return datetime.now(UTC) + app.permanent_session_lifetime\n",
        STAYS,
    ),
    pages(
        "a passkey takes over the choice of somebody else",
        "        return views.go_on(found, stays=form.stay.data)\n",
        "        return views.go_on(found, stays=form.stay.data or stay_signed_in.remembered())\n",
        "test_an_abandoned_choice_is_not_taken_over_by_a_passkey",
    ),
]
