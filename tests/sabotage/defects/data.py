"""Defects in input and output: text that becomes code or SQL, rows of other users."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

sanitization = partial(Defect, "sanitization")
templates = partial(Defect, "templates")
queries = partial(Defect, "queries")
access = partial(Defect, "access")
plans = partial(Defect, "plans")


DEFECTS = [
    sanitization(
        "a frame is allowed",
        'TAGS |= {"h2", "h3", "hr"}',
        'TAGS |= {"h2", "h3", "hr", "iframe"}',
        "test_rich_text_keeps_only_what_is_listed",
    ),
    sanitization(
        "links may run script",
        'SCHEMES = {"https", "mailto"}',
        'SCHEMES = {"https", "mailto", "javascript"}',
        "test_rich_text_keeps_only_what_is_listed",
    ),
    sanitization(
        "an event handler is allowed",
        'LINK_ATTRIBUTES = ["href", "title"]',
        'LINK_ATTRIBUTES = ["href", "title", "onclick"]',
        "test_rich_text_keeps_only_what_is_listed",
    ),
    sanitization(
        "Bleach is given more tags than nh3",
        "bleach.clean(text, TAGS, ",
        'bleach.clean(text, TAGS | {"img", "style"}, ',
        "test_each_sanitizer_alone_keeps_only_what_is_listed",
    ),
    sanitization(
        "the last pass of nh3 is gone",
        'return _nh3(bleach.clean(text, TAGS, {"a": LINK_ATTRIBUTES}, SCHEMES, strip=True))',
        'return bleach.clean(text, TAGS, {"a": LINK_ATTRIBUTES}, SCHEMES, strip=True)',
        "test_both_sanitizers_run_and_nh3_is_the_last",
    ),
    sanitization(
        "the column does not sanitize",
        "return None if value is None else sanitize_html(value)",
        "return value",
        "test_a_column_of_rich_text_cleans_on_write_and_is_markup_on_read",
    ),
    sanitization(
        "the column cleans what the form has cleaned",
        "    if isinstance(text, CleanHTML):\n",
        "    if text == '':\n",
        "test_a_rich_text_is_cleaned_once",
    ),
    sanitization(
        "Markdown may contain HTML",
        '"html": False',
        '"html": True',
        "test_the_parser_alone_lets_nothing_through",
    ),
    sanitization(
        "links in Markdown have any scheme",
        'return url.partition(":")[0].lower() in SCHEMES',
        "return True",
        "test_the_parser_alone_lets_nothing_through",
    ),
    sanitization(
        "what Markdown becomes is not cleaned",
        "stored = sanitize_html(render(source))",
        "stored = render(source)",
        "test_the_sanitizers_alone_let_nothing_through",
    ),
    sanitization(
        "references repeat an address without a bound",
        "tokens)) > MAX_HTML:",
        "tokens)) > MAX_HTML**3:",
        "test_no_text_becomes_more_than_its_length_allows",
    ),
    sanitization(
        "Markdown is parsed before its length is known",
        'source = _bounded(source or "")',
        'source = source or ""',
        "test_a_text_is_bounded_before_it_is_parsed",
    ),
    sanitization(
        "a preview is stored",
        'if "preview" in request.args:',
        'if "preview" in request.form:',
        "test_a_preview_shows_the_text_and_stores_nothing",
    ),
    sanitization(
        "cleaning again overwrites an edit",
        "where(model.id == row.id, model.version == row.version)",
        "where(model.id == row.id)",
        "test_an_edit_meanwhile_is_not_overwritten",
    ),
    sanitization(
        "a full account keeps what the rules refuse",
        "size=more - less, always=True)",
        "size=more - less)",
        "test_a_full_account_does_not_keep_the_old_html",
    ),
    sanitization(
        "text may contain direction marks",
        r"\ud800-\udfff\u202a-\u202e\u2066-\u2069]",
        r"\ud800-\udfff]",
        "test_forbidden_characters_are_refused_also_as_entities",
    ),
    sanitization(
        "Jinja escapes by file name again",
        'app.jinja_options = {**app.jinja_options, "autoescape": True}',
        "app.jinja_options = {**app.jinja_options}",
        "test_plain_text_is_escaped_in_every_template",
    ),
    sanitization(
        "a big request gets in",
        '"MAX_CONTENT_LENGTH": 256 * 1024,',
        '"MAX_CONTENT_LENGTH": 64 * 1024 * 1024,',
        "test_bodies_are_bounded",
    ),
    sanitization(
        "a title is not checked",
        'StringField("Title", [PlainText(1, MAX_TITLE)])',
        'StringField("Title", [])',
        "test_a_line_of_text_is_checked",
    ),
    templates(
        "a title is shown unescaped",
        "{{ row[label] }}</a>",
        "{{ row[label]|safe }}</a>",
        "test_stored_attacks_do_nothing",
    ),
    templates(
        "a template uses the filter safe",
        '<div class="rich">{{ row.body.html }}</div>',
        '<div class="rich">{{ row.body.html|safe }}</div>',
        "test_a_template_keeps_every_rule",
    ),
    templates(
        "a message is shown unescaped",
        "{% for message in found %}<p>{{ message }}</p>{% endfor %}",
        "{% autoescape false %}{% for message in found %}<p>{{ message }}</p>{% endfor %}"
        "{% endautoescape %}",
        "test_a_template_keeps_every_rule",
    ),
    templates(
        "an event handler",
        '<button type="submit" class="danger">',
        '<button type="submit" class="danger" onclick="return confirm()">',
        "test_a_template_keeps_every_rule",
        file="app/templates/resources/show.html",
    ),
    templates(
        "an attribute without quotes",
        ' class="{{ class }}"',
        " class={{ class }}",
        "test_a_template_keeps_every_rule",
        file="app/templates/auth/_sign_up.html",
    ),
    templates(
        "a script from elsewhere",
        """<script src="{{ asset('app.js')""",
        """<script src="https://cdn.example/htmx.js" defer></script>
    <script src="{{ asset('app.js')""",
        "test_a_template_keeps_every_rule",
        file="app/templates/base.html",
    ),
    templates(
        "a script without its hash",
        """ integrity="{{ asset('app.js').integrity }}" defer""",
        " defer",
        "test_scripts_and_styles_are_our_files_unchanged",
    ),
    queries(
        "SQL is put together in a lookup",
        "        user = db.session.scalar("
        "select(User).where(User.email == normalize_email(email)))\n",
        "        from sqlalchemy import literal_column\n\n"
        '        address = literal_column("\'" + normalize_email(email) + "\'")\n'
        "        user = db.session.scalar(select(User).where(User.email == address))\n",
        "test_no_attack_reaches_a_statement",
        file="app/auth/authentication.py",
    ),
    queries(
        "SQL is put together in a list",
        "        query = query.where(model.created_at <= before.created_at, older)\n",
        "        from sqlalchemy import text\n\n"
        '        query = query.where(text(f"{model.__tablename__}.id < {before.id}"))\n',
        "test_no_sql_is_built_from_strings",
    ),
    queries(
        "SQL is put together in a migration",
        'for column in ("user_id", "last_seen_at"):\n',
        'for column in ("user_id", "last_seen_at"):\n'
        '        op.execute(f"UPDATE sessions SET {column} = {column}")\n',
        "test_no_sql_is_built_from_strings",
    ),
    queries(
        "exceptions show the values",
        "hide_parameters=True, echo=False",
        "hide_parameters=False, echo=False",
        "test_values_are_hidden_from_exceptions",
    ),
    queries(
        "every statement is logged",
        "hide_parameters=True, echo=False",
        "hide_parameters=True, echo=True",
        "test_check_looks_at_the_running_engine",
    ),
    queries(
        "requests wait for a connection without end",
        '"pool_timeout": 5}',
        '"pool_timeout": 300}',
        "test_check_looks_at_the_running_engine",
    ),
    queries(
        "an account is committed before its session is there",
        "    try:\n        db.session.flush()\n",
        "    try:\n        db.session.commit()\n",
        "test_a_failure_in_the_middle_leaves_no_rows",
        file="app/auth/accounts.py",
    ),
    queries(
        "SQLite does not enforce foreign keys",
        '    cursor.execute("PRAGMA foreign_keys = ON")\n',
        "",
        "test_every_connection_is_set_up",
    ),
    access(
        "the owner of a note is not checked",
        "select(model).where(model.public_id == public_id))",
        'select(model).where(model.public_id == public_id), execution_options={"unscoped": "x"})',
        "test_a_foreign_object_and_a_missing_one_are_the_same_404",
    ),
    access(
        "anybody's session can be ended",
        "    session = db.session.scalar(select(Session).where(Session.public_id == public_id))\n",
        "    found = select(Session).where(Session.public_id == public_id)\n"
        "    session = db.session.scalar(found, execution_options=sessions.OF_ALL)\n",
        "test_a_foreign_object_and_a_missing_one_are_the_same_404",
    ),
    access(
        "the account page shows everybody's sessions",
        "sessions=sessions.running(db.session.scalars(sessions.NEWEST)),",
        "sessions=db.session.scalars(sessions.NEWEST, execution_options=sessions.OF_ALL).all(),",
        "test_lists_contain_only_rows_of_the_user",
    ),
    access(
        "a cursor may be another user's note",
        "    last_seen = get_owned(Note, before) if before else None\n",
        "    from app.database import db\n\n"
        "    last_seen = db.session.query(Note).filter_by(public_id=before).first()\n",
        "test_lists_contain_only_rows_of_the_user",
    ),
    access(
        "a private page is open",
        'return endpoint == "static" or',
        'return endpoint in ("static", "notes.index") or',
        "test_every_route_is_classified",
    ),
    access(
        "a route is in no entry of the resources",
        "def words() -> dict[str, str]:\n",
        'def more() -> dict[str, str]:\n    return {}\n\n\n@blueprint.get("/export")\n'
        "def export() -> str:\n    return str(get_owned(Note, request.args.get('id') or ''))\n\n\n"
        "@blueprint.context_processor\ndef words() -> dict[str, str]:\n",
        "test_every_route_is_described",
    ),
    access(
        "no attack takes the query argument of a list",
        'before = request.args.get("before")\n    last_seen = get_owned(Note',
        'before = request.args.get("before") or request.args.get("after")\n'
        "    last_seen = get_owned(Note",
        "test_every_query_argument_is_attacked",
    ),
    access(
        "no attack takes a field of a form",
        '    body = RichTextField("Body")\n',
        '    body = RichTextField("Body")\n    place = StringField("Place")\n',
        "test_every_field_is_described",
    ),
    access(
        "routes are open by default",
        "    app.before_request(require_user)\n",
        "",
        "test_nobody_gets_into_a_private_route",
    ),
    access(
        "the form names the owner",
        '        return redirect(url_for(".show", public_id=note.public_id))\n',
        "        from app.database import db\n\n"
        '        note.owner_id = int(request.form.get("owner_id") or note.owner_id)\n'
        "        db.session.commit()\n"
        '        return redirect(url_for(".show", public_id=note.public_id))\n',
        "test_mass_assignment_changes_no_other_column",
    ),
    access(
        "ids are sequential",
        "return secrets.token_urlsafe(16)",
        'return f"{secrets.randbelow(10**9):022d}"',
        "test_public_ids_cannot_be_guessed",
    ),
    access(
        "the second of two edits wins",
        "if row.version != version:",
        "if row.version < version:",
        "test_two_edits_of_one_row_do_not_overwrite_each_other",
    ),
    plans(
        "a list is sorted without an index",
        "newest = model.created_at.desc(), model.id.desc()",
        "newest = model.updated_at.desc(), model.id.desc()",
        "test_plans.py",
    ),
    plans(
        "a list has no limit",
        ".order_by(*newest).limit(PAGE + 1)",
        ".order_by(*newest)",
        "test_plans.py",
    ),
    plans(
        "all notes are counted before one is written",
        "    row = model()\n",
        "    from sqlalchemy import func\n\n"
        "    count = select(func.count()).where(model.owner_id == owner.id)\n"
        "    if db.session.scalar(count) > 100_000:\n"
        "        abort(409)\n"
        "    row = model()\n",
        "test_plans.py",
    ),
    plans(
        "the index of a list is forgotten",
        '    op.create_index("ix_notes_owner_id", "notes", ["owner_id", "created_at", "id"])\n',
        "",
        "test_plans.py",
    ),
    plans(
        "a sign-in looks for expired sessions among all",
        ".order_by(time)",
        ".order_by(model.id)",
        "test_plans.py",
    ),
    plans(
        "an index is forgotten",
        'for column in ("user_id", "last_seen_at"):\n',
        'for column in ("user_id",):\n',
        "test_plans.py",
    ),
]
