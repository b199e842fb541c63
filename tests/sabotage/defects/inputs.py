"""Defects in input: slow normalization, malformed bodies, e-mail addresses that look alike."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

sanitization = partial(Defect, "sanitization")
passwords = partial(Defect, "passwords")


DEFECTS = [
    sanitization(
        "text of any length is normalized",
        "if len(text) > maximum * MAX_COMPOSED:",
        "if len(text) > 1024 * maximum * MAX_COMPOSED:",
        "test_length_is_checked_first",
    ),
    sanitization(
        "any run of combining characters is normalized",
        "if len(text) > SHORT_TEXT and most_marks(text) > MAX_MARKS:",
        "if most_marks(text) > len(text):",
        "test_every_function_refuses_text_that_is_slow_to_normalize",
    ),
    sanitization(
        "combining characters are told by their class",
        'unicodedata.category(character)[0] == "M"',
        "unicodedata.combining(character) > 0",
        "test_long_text_has_few_combining_characters_in_a_row",
    ),
    sanitization(
        "an address of any length is checked",
        "if len(typed) > MAX_EMAIL:  # before",
        "if len(typed) > 1024 * MAX_EMAIL:  # before",
        "test_every_function_refuses_text_that_is_slow_to_normalize",
    ),
    sanitization(
        "a module normalizes by itself",
        "text = normalize(text.strip(), maximum)",
        'text = __import__("unicodedata").normalize("NFC", text).strip()',
        "test_no_other_module_normalizes",
    ),
    sanitization(
        "whatever was typed as an address is looked for in a password",
        "known = text[:MAX_CONTEXT]  # it",
        "known = text  # it",
        "test_every_function_refuses_text_that_is_slow_to_normalize",
    ),
    passwords(
        "what is too long of a password is cut off",
        "        normal = _normalize(password)\n    except",
        "        normal = Secret(password.reveal()[:MAX_LENGTH])\n    except",
        "test_a_password_over_the_maximum_length_is_not_hashed",
    ),
    sanitization(
        "a form takes files and JSON for text",
        "super().__init__(sent or None, **kwargs)",
        "super().__init__(**kwargs)",
        "test_a_file_in_a_text_field_causes_no_server_error",
    ),
    sanitization(
        "one form takes more than text",
        "from app.forms import TextForm\n",
        "from flask_wtf import FlaskForm as TextForm\n",
        "test_every_form_takes_text_alone",
        file="app/auth/forms.py",
    ),
    sanitization(
        "a field without a name gets in",
        "nameless = None in request.form",
        "nameless = None in request.args",
        "test_no_request_body_causes_a_server_error",
    ),
    sanitization(
        "malformed chunks are an error of the service",
        "except Exception as error:  # each server",
        "except OSError as error:  # each server",
        "test_no_raw_body_causes_a_server_error",
    ),
    sanitization(
        "case is folded in domains",
        "@{valid.domain}",
        "@{valid.domain.casefold()}",
        "test_two_domains_are_two_accounts",
    ),
    sanitization(
        "the number of an account may be any",
        'max(0, min(request.args.get("before", MAX_ID, type=int), MAX_ID))',
        'min(request.args.get("before", MAX_ID, type=int), MAX_ID)',
        "test_unusual_numbers_cause_no_server_error",
        answers={"auth": "oidc"},
    ),
]
