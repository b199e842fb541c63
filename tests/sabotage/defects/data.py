"""What comes in and what goes out: text that turns into code or into SQL, and whose data it is."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

sanitization = partial(Defect, "sanitization")
templates = partial(Defect, "templates")
queries = partial(Defect, "queries")
access = partial(Defect, "access")
plans = partial(Defect, "plans")

SANITIZATION = "app/security/sanitization.py"
CORPUS = "tests/security/test_sanitization.py::test_rich_text_keeps_only_what_is_listed"
BOTH = "tests/security/test_sanitization.py::test_each_sanitizer_alone_keeps_only_what_is_listed"
STORED = "tests/security/test_stored_text.py"
LINT = "tests/test_templates.py::test_a_template_keeps_every_rule"
SQL = "tests/security/test_queries.py"
ACCESS = "tests/security/test_access.py"
PLANS = "tests/test_plans.py"
MIGRATION = "migrations/versions/0001_accounts_sessions_notes.py"

DEFECTS = [
    sanitization(
        "a frame is allowed",
        SANITIZATION,
        'TAGS |= {"h2", "h3"}',
        'TAGS |= {"h2", "h3", "iframe"}',
        CORPUS,
    ),
    sanitization(
        "links may run script",
        SANITIZATION,
        'SCHEMES = {"https", "mailto"}',
        'SCHEMES = {"https", "mailto", "javascript"}',
        CORPUS,
    ),
    sanitization(
        "an event handler is allowed",
        SANITIZATION,
        'LINK_ATTRIBUTES = ["href", "title"]',
        'LINK_ATTRIBUTES = ["href", "title", "onclick"]',
        CORPUS,
    ),
    sanitization(
        "Bleach is given more tags than nh3",
        SANITIZATION,
        "bleach.clean(text, TAGS, ",
        'bleach.clean(text, TAGS | {"img", "style"}, ',
        BOTH,
    ),
    sanitization(
        "the last pass of nh3 is gone",
        SANITIZATION,
        'return _nh3(bleach.clean(text, TAGS, {"a": LINK_ATTRIBUTES}, SCHEMES, strip=True))',
        'return bleach.clean(text, TAGS, {"a": LINK_ATTRIBUTES}, SCHEMES, strip=True)',
        "tests/security/test_sanitization.py::test_both_sanitizers_run_and_nh3_is_the_last",
    ),
    sanitization(
        "the column does not sanitize",
        SANITIZATION,
        "return None if value is None else sanitize_html(value)",
        "return value",
        "tests/security/test_sanitization.py::"
        "test_a_column_of_rich_text_cleans_on_write_and_is_markup_on_read",
    ),
    sanitization(
        "the column cleans what the form has cleaned",
        SANITIZATION,
        "    if isinstance(text, CleanHTML):\n",
        "    if text == '':\n",
        "tests/test_notes.py::test_a_text_is_cleaned_once",
    ),
    sanitization(
        "text may contain direction marks",
        SANITIZATION,
        r"\ud800-\udfff\u202a-\u202e\u2066-\u2069]",
        r"\ud800-\udfff]",
        "tests/security/test_sanitization.py::test_forbidden_characters_are_refused_also_as_entities",
    ),
    sanitization(
        "Jinja escapes by file name again",
        SANITIZATION,
        'app.jinja_options = {**app.jinja_options, "autoescape": True}',
        "app.jinja_options = {**app.jinja_options}",
        "tests/security/test_sanitization.py::test_plain_text_is_escaped_in_every_template",
    ),
    sanitization(
        "a big request gets in",
        SANITIZATION,
        '"MAX_CONTENT_LENGTH": 256 * 1024,',
        '"MAX_CONTENT_LENGTH": 64 * 1024 * 1024,',
        f"{STORED}::test_bodies_are_bounded",
    ),
    sanitization(
        "a title is not checked",
        "app/notes/forms.py",
        'StringField("Title", [PlainText(1, MAX_TITLE)])',
        'StringField("Title", [InputRequired()])',
        f"{STORED}::test_a_line_of_text_is_checked",
    ),
    templates(
        "a title is shown unescaped",
        "app/templates/notes/index.html",
        "{{ note.title }}</a>",
        "{{ note.title|safe }}</a>",
        f"{STORED}::test_stored_attacks_do_nothing",
    ),
    templates(
        "a template uses the filter safe",
        "app/templates/notes/show.html",
        '<div class="rich">{{ note.body }}</div>',
        '<div class="rich">{{ note.body|safe }}</div>',
        LINT,
    ),
    templates(
        "a message is shown unescaped",
        "app/templates/_macros.html",
        "{% for message in found %}<p>{{ message }}</p>{% endfor %}",
        "{% autoescape false %}{% for message in found %}<p>{{ message }}</p>{% endfor %}"
        "{% endautoescape %}",
        LINT,
    ),
    templates(
        "an event handler",
        "app/templates/notes/show.html",
        '<button type="submit" class="danger">',
        '<button type="submit" class="danger" onclick="return confirm()">',
        LINT,
    ),
    templates(
        "an attribute without quotes",
        "app/templates/auth/_sign_up.html",
        ' class="{{ class }}"',
        " class={{ class }}",
        LINT,
    ),
    templates(
        "a script from elsewhere",
        "app/templates/base.html",
        '<script src="{{',
        '<script src="https://cdn.example/htmx.js" defer></script>\n    <script src="{{',
        LINT,
    ),
    templates(
        "a script without its hash",
        "app/templates/base.html",
        """ integrity="{{ asset('app.js').integrity }}" defer""",
        " defer",
        "tests/security/test_page_headers.py::test_scripts_and_styles_are_our_files_unchanged",
    ),
    queries(
        "SQL is put together in a lookup",
        "app/auth/accounts.py",
        "        user = db.session.scalar("
        "select(User).where(User.email == normalize_email(email)))\n",
        "        from sqlalchemy import literal_column\n\n"
        '        address = literal_column("\'" + normalize_email(email) + "\'")\n'
        "        user = db.session.scalar(select(User).where(User.email == address))\n",
        f"{SQL}::test_no_attack_reaches_a_statement",
    ),
    queries(
        "SQL is put together in a list",
        "app/notes/service.py",
        "        query = query.where(Note.created_at <= before.created_at, older)\n",
        "        from sqlalchemy import text\n\n"
        '        query = query.where(text(f"notes.id < {before.id}"))\n',
        f"{SQL}::test_no_sql_is_built_from_strings",
    ),
    queries(
        "SQL is put together in a migration",
        MIGRATION,
        'for column in ("user_id", "last_seen_at"):\n',
        'for column in ("user_id", "last_seen_at"):\n'
        '        op.execute(f"UPDATE sessions SET {column} = {column}")\n',
        f"{SQL}::test_no_sql_is_built_from_strings",
    ),
    queries(
        "exceptions show the values",
        "app/database/__init__.py",
        "hide_parameters=True, echo=False",
        "hide_parameters=False, echo=False",
        f"{SQL}::test_values_are_hidden_from_exceptions",
    ),
    queries(
        "every statement is logged",
        "app/database/__init__.py",
        "hide_parameters=True, echo=False",
        "hide_parameters=True, echo=True",
        f"{SQL}::test_check_looks_at_the_running_engine",
    ),
    queries(
        "requests wait for a connection without end",
        "app/database/__init__.py",
        '"pool_timeout": 5}',
        '"pool_timeout": 300}',
        f"{SQL}::test_check_looks_at_the_running_engine",
    ),
    queries(
        "an account is committed before its session is there",
        "app/auth/accounts.py",
        "    try:\n        db.session.flush()\n",
        "    try:\n        db.session.commit()\n",
        f"{SQL}::test_a_failure_in_the_middle_leaves_no_rows",
    ),
    queries(
        "SQLite does not enforce foreign keys",
        "app/database/dialect.py",
        '    cursor.execute("PRAGMA foreign_keys = ON")\n',
        "",
        "tests/test_dialect.py::test_every_connection_is_set_up",
    ),
    access(
        "the owner of a note is not checked",
        "app/security/access.py",
        "model.public_id == public_id, model.owner_id == g.user.id",
        "(model.public_id == public_id,)",
        f"{ACCESS}::test_a_foreign_object_and_a_missing_one_are_the_same_404",
    ),
    access(
        "anybody's session can be ended",
        "app/auth/account.py",
        "where(Session.public_id == public_id, mine)",
        "where(Session.public_id == public_id)",
        f"{ACCESS}::test_a_foreign_object_and_a_missing_one_are_the_same_404",
    ),
    access(
        "the list shows everybody's notes",
        "app/notes/service.py",
        "select(Note).where(Note.owner_id == owner.id).order_by",
        "select(Note).order_by",
        f"{ACCESS}::test_lists_contain_ones_own_things_only",
    ),
    access(
        "a cursor may be another user's note",
        "app/notes/views.py",
        "get_owned(Note, before) if before else None",
        "db.session.query(Note).filter_by(public_id=before).first() if before else None",
        f"{ACCESS}::test_lists_contain_ones_own_things_only",
    ),
    access(
        "a private page is open",
        "app/security/access.py",
        'return endpoint == "static" or',
        'return endpoint in ("static", "notes.index") or',
        f"{ACCESS}::test_every_route_is_classified",
    ),
    access(
        "routes are open by default",
        "app/security/access.py",
        "    app.before_request(require_user)\n",
        "",
        f"{ACCESS}::test_nobody_gets_into_a_private_route",
    ),
    access(
        "the form names the owner",
        "app/notes/views.py",
        '            return redirect(url_for("notes.show", public_id=note.public_id))\n',
        '            note.owner_id = int(request.form.get("owner_id") or note.owner_id)\n'
        "            db.session.commit()\n"
        '            return redirect(url_for("notes.show", public_id=note.public_id))\n',
        f"{ACCESS}::test_mass_assignment_changes_no_other_column",
    ),
    access(
        "ids are sequential",
        "app/database/__init__.py",
        "return secrets.token_urlsafe(16)",
        'return f"{secrets.randbelow(10**9):022d}"',
        f"{ACCESS}::test_public_ids_cannot_be_guessed",
    ),
    access(
        "the second of two edits wins",
        "app/notes/service.py",
        "if note.version != version:",
        "if note.version < version:",
        f"{ACCESS}::test_two_edits_of_one_row_do_not_overwrite_each_other",
    ),
    plans(
        "a list is sorted without an index",
        "app/notes/service.py",
        "newest = Note.created_at.desc(), Note.id.desc()",
        "newest = Note.updated_at.desc(), Note.id.desc()",
        PLANS,
    ),
    plans(
        "a list has no limit",
        "app/notes/service.py",
        ".order_by(*newest).limit(PAGE + 1)",
        ".order_by(*newest)",
        PLANS,
    ),
    plans(
        "all notes are counted before one is written",
        "app/notes/service.py",
        "    note = Note(owner_id=owner.id, title=title, body=body)\n",
        "    from sqlalchemy import func\n\n"
        "    count = select(func.count()).where(Note.owner_id == owner.id)\n"
        "    if db.session.scalar(count) > 100_000:\n"
        "        abort(409)\n"
        "    note = Note(owner_id=owner.id, title=title, body=body)\n",
        PLANS,
    ),
    plans(
        "a sign-in looks for expired sessions among all",
        "app/auth/upkeep.py",
        ".order_by(time)",
        ".order_by(model.id)",
        PLANS,
    ),
    plans(
        "an index is forgotten",
        MIGRATION,
        'for column in ("user_id", "last_seen_at"):\n',
        'for column in ("user_id",):\n',
        PLANS,
    ),
]
