"""Refusals without a log event, sessions without a proof, data that stays in logs."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

refusals = partial(Defect, "refusals")
sessions = partial(Defect, "auth.sessions")
logs = partial(Defect, "logs")
access = partial(Defect, "access")
ID = "test_an_id_of_another_user_and_an_unknown_one_are_the_same_event"
FIELD = "test_a_field_that_nobody_may_write_is_an_event"
NO_ROW = "    if row is None:\n        abort(404)\n"
ASKS_WHOSE = """\
    if row is None:
        whose = select(model).where(model.public_id == public_id)
        if db.session.scalar(whose, execution_options={"unscoped": "whose is it?"}):
            db.session.scalar(whose)
        abort(404)
"""
BODIES = "(400, 413, 414, 415, 422), INVALID"
HTML_FIELDS = """\
        if unknown := request.form.keys() - self.data.keys():
            unknown_fields(unknown)
"""
JSON_FIELDS = "    if unknown:\n        unknown_fields(unknown)\n"
REVOKE = '@blueprint.post("/sessions/<public_id:public_id>/revoke")\n'
END = '@blueprint.delete("/<public_id:public_id>")\n'
OTHERS = '@blueprint.post("/revoke-others")\n'

DEFECTS = [
    refusals(
        "an unknown field hides a denied access",
        "- ({INVALID} if event == DENIED else set())",
        "- set()",
        "test_an_unknown_field_hides_no_denied_access",
        answers={"auth": "oidc"},
    ),
    refusals("they are not wired", "    errors,\n    refusals,\n", "    errors,\n", ID),
    refusals("a foreign id is no event", "(401, 403, 404), DENIED", "(401, 403), DENIED", ID),
    refusals("the time of a foreign id is another", NO_ROW, ASKS_WHOSE, ID),
    refusals(
        "the event has the path that the client chose",
        "status=status, route=route, reason",
        "status=status, route=request.path, reason",
        ID,
    ),
    refusals(
        "a value that is refused is no event",
        BODIES,
        "(400, 413, 414, 415), INVALID",
        "test_a_value_that_is_refused_is_an_event",
    ),
    refusals(
        "a view that aborts with 403 is no event",
        "(401, 403, 404), DENIED",
        "(401, 404), DENIED",
        "test_a_view_that_logs_nothing_itself_is_logged",
    ),
    refusals(
        "a visitor at a private page is no event",
        '    refuse_for("sign-in")\n',
        "",
        "test_a_visitor_at_a_private_route_is_an_event",
    ),
    refusals(
        "a stale session is no event",
        '    refuse_for("fresh proof")\n',
        "    refuse_for(None)\n",
        "test_a_session_without_a_fresh_proof_is_an_event",
    ),
    refusals(
        "a request that passes is one",
        "    refuse_for(None)\n    return None\n",
        "    return None\n",
        "test_a_view_that_logs_nothing_itself_is_logged",
    ),
    refusals(
        "a cross-site request is two events",
        '"input_", "malicious_", ',
        '"input_", ',
        "test_a_refusal_with_its_own_event_is_logged_once",
    ),
    refusals(
        "every path of a scanner is an event",
        "    no_row = status == 404 and route in (None, ",
        "    no_row = status == 404 and route in (",
        "test_an_unknown_path_is_not_logged_as_a_refusal",
    ),
    refusals("a form passes over fields", HTML_FIELDS, "", FIELD),
    refusals("the API passes over fields", JSON_FIELDS, "", FIELD, answers={"auth": "token"}),
    refusals(
        "any name of a field is logged",
        "(name for name in names if NAME.fullmatch(name))[:MAX_NAMES]",
        "(names)",
        "test_names_of_fields_are_logged_when_they_look_like_names",
    ),
    refusals(
        "the API takes the question for a second factor for a refusal",
        '        security_event("authn_second_factor_asked",',
        '        dict(event="authn_second_factor_asked",',
        "test_the_question_for_a_second_factor_is_logged_and_is_no_refusal",
        answers={"auth": "token"},
    ),
    sessions(
        "a stolen session ends another",
        f"{REVOKE}@fresh\n",
        REVOKE,
        "test_a_user_sees_all_sessions_and_ends_any_after_a_fresh_proof",
    ),
    sessions(
        "a stolen session of the API ends another",
        f"{END}@fresh\n",
        END,
        "test_any_sign_in_can_be_ended_after_a_fresh_proof",
        answers={"auth": "token"},
        file="app/auth/session_views.py",
    ),
    sessions(
        "a stolen session of the API ends all others",
        f"{OTHERS}@fresh\n",
        OTHERS,
        "test_any_sign_in_can_be_ended_after_a_fresh_proof",
        answers={"auth": "token"},
    ),
    sessions(
        "the API lists the sessions of everybody",
        "    found = sessions.running(db.session.scalars(sessions.NEWEST))\n",
        "    found = db.session.scalars(sessions.NEWEST, execution_options=sessions.OF_ALL)\n",
        "test_all_sign_ins_are_listed_and_this_one_is_marked",
        answers={"auth": "token"},
    ),
    sessions(
        "the API ends nothing",
        "    sessions.end(session)\n    db.session.commit()\n\n\n@blueprint.post",
        "    db.session.commit()\n\n\n@blueprint.post",
        "test_any_sign_in_can_be_ended_after_a_fresh_proof",
        answers={"auth": "token"},
    ),
    access(
        "a page for monitoring is open to everybody",
        '@blueprint.get("/healthz")\n',
        '@blueprint.get("/metrics")\n@blueprint.get("/healthz")\n',
        "test_documentation_and_monitoring_are_open_only_where_that_is_meant",
    ),
    logs(
        "Nginx writes its log into a file",
        "access_log /dev/stdout json;",
        "access_log /tmp/access.log json;",
        "test_nginx_writes_to_its_streams",
    ),
    logs(
        "gunicorn writes its log into a file",
        'errorlog = "-"',
        'errorlog = "/tmp/gunicorn.log"',
        "test_gunicorn_writes_to_its_streams",
    ),
    logs(
        "the app writes its log into a file as well",
        "    root.addHandler(handler)\n",
        '    root.addHandler(handler)\n    root.addHandler(logging.FileHandler("/dev/null"))\n',
        "test_no_code_writes_a_log_elsewhere",
    ),
    logs(
        "gunicorn writes its log as text",
        "            handler.setFormatter(JSONFormatter())\n",
        "            handler.setFormatter(logging.Formatter())\n",
        "test_the_running_servers_write_lines_of_json_and_no_file",
    ),
    logs(
        "a container throws its log away",
        "    driver: json-file\n",
        "    driver: none\n",
        "test_every_container_hands_its_log_to_docker",
    ),
    logs(
        "a unit writes its log into a file",
        "RestartPreventExitStatus=3\n",
        "RestartPreventExitStatus=3\nStandardError=append:/var/tmp/app.log\n",
        "test_every_unit_writes_to_the_journal",
        answers={"deployment": "systemd"},
        file="deploy/systemd/app.service",
    ),
    logs(
        "a container keeps a log of its own",
        "            readOnlyRootFilesystem: true\n",
        "            readOnlyRootFilesystem: false\n",
        "test_every_container_leaves_its_log_to_the_node",
        answers={"deployment": "kubernetes"},
        file="deploy/kubernetes/base/mail.yaml",
    ),
]
