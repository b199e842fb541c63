"""False statements in the list of requirements."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

LIST = "tests/security/asvs.list"
AGREES = "test_the_list_agrees_with_tests_and_documents"
row = partial(Defect, "requirements", file=LIST)
absence = partial(Defect, "absences")

DEFECTS = [
    row(
        "a requirement is proven, and no test names it",
        "| LDAP queries cannot be injected | does not apply: no LDAP",
        "| LDAP queries cannot be injected | proven",
        guard=AGREES,
    ),
    row(
        "a test names a requirement that is not met",
        "| Nothing can be injected into the log | proven",
        "| Nothing can be injected into the log | not met: nobody has tried",
        guard=AGREES,
    ),
    row(
        "a requirement has no line",
        "6.2.9 | 2 | Passwords of 64 characters are accepted | proven\n",
        "",
        guard="test_every_requirement_of_the_first_two_levels_has_its_line",
    ),
    row(
        "a requirement has another level",
        "6.2.10 | 2 | ",
        "6.2.10 | 3 | ",
        guard="test_every_line_has_the_level_of_the_standard",
    ),
    Defect(
        "requirements",
        "the heading of a documented requirement is gone",
        "### Who keeps sessions, and how they end together (7.1.3)",
        "### Who keeps sessions, and how they end together",
        AGREES,
        answers={"auth": "oidc"},
    ),
    Defect(
        "requirements",
        "a requirement that is not met is not told",
        "- 13.2.1 (level 2) Services",
        "- Services",
        "test_security_md_lists_what_is_not_met",
    ),
    Defect(
        "requirements",
        "the only test of a requirement loses its mark",
        '@asvs("16.2.3")\n',
        "",
        AGREES,
        file="tests/security/test_absences.py",
    ),
    absence(
        "a hash function that is broken",
        "from hashlib import sha256\nfrom ipaddress",
        "from hashlib import sha1 as sha256\nfrom ipaddress",
        "test_only_approved_cryptography_is_used",
    ),
    absence(
        "a second way out",
        "    return value.strip()\n",
        "    import http.client\n\n"
        "    http.client.HTTPConnection(value)\n"
        "    return value.strip()\n",
        "test_only_these_modules_open_connections",
    ),
    absence(
        "a script that makes HTML of a text",
        "    button.textContent = label;",
        "    button.innerHTML = label;",
        "test_no_script_contains_a_forbidden_construct",
    ),
    absence(
        "a password field that password managers do not fill in",
        '{{ field(form.password, autocomplete="current-password") }}',
        '{{ field(form.password, autocomplete="off") }}',
        "test_password_fields_hide_the_password_and_let_managers_fill_it_in",
        file="app/templates/auth/_password.html",
    ),
    absence(
        "a page without a button to sign out",
        '<button type="submit" class="link">Sign out</button>',
        "",
        "test_every_page_of_a_user_has_a_button_to_sign_out",
    ),
    absence(
        "a form that was sent in the clear is repeated",
        "            return 403;\n        }\n        return 308",
        "            break;\n        }\n        return 308",
        "test_writes_over_plain_http_are_refused_without_redirect",
    ),
]
