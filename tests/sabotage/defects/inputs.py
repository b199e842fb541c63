"""What is sent: text that takes long to normalize, bodies of another shape, addresses alike."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

sanitization = partial(Defect, "sanitization")
passwords = partial(Defect, "passwords")

NORMALIZATION = "app/normalization.py"
NORMALIZATION_TESTS = "tests/security/test_normalization.py"
MODELS = "app/auth/models.py"
BODIES = "tests/security/test_bodies.py"

DEFECTS = [
    sanitization(
        "text of any length is normalized",
        NORMALIZATION,
        "if len(text) > maximum * MAX_COMPOSED:",
        "if len(text) > 1024 * maximum * MAX_COMPOSED:",
        f"{NORMALIZATION_TESTS}::test_length_is_looked_at_before_anything_else",
    ),
    sanitization(
        "any run of combining characters is normalized",
        NORMALIZATION,
        "if len(text) > SHORT_TEXT and most_marks(text) > MAX_MARKS:",
        "if most_marks(text) > len(text):",
        f"{NORMALIZATION_TESTS}::test_every_function_refuses_it",
    ),
    sanitization(
        "combining characters are told by their class",
        NORMALIZATION,
        'unicodedata.category(character)[0] == "M"',
        "unicodedata.combining(character) > 0",
        f"{NORMALIZATION_TESTS}::test_long_text_has_few_combining_characters_in_a_row",
    ),
    sanitization(
        "an address of any length is checked",
        MODELS,
        "if len(text) > MAX_EMAIL:  # before",
        "if len(text) > 1024 * MAX_EMAIL:  # before",
        f"{NORMALIZATION_TESTS}::test_every_function_refuses_it",
    ),
    sanitization(
        "a module normalizes by itself",
        "app/security/sanitization.py",
        "text = normalize(text.strip(), maximum)",
        'text = __import__("unicodedata").normalize("NFC", text).strip()',
        f"{NORMALIZATION_TESTS}::test_no_other_module_normalizes",
    ),
    sanitization(
        "whatever was typed as an address is looked for in a password",
        "app/security/blocklist.py",
        "in (name[:MAX_CONTEXT] for name in context):",
        "in context:",
        f"{NORMALIZATION_TESTS}::test_every_function_refuses_it",
    ),
    passwords(
        "what is too long of a password is cut off",
        "app/security/passwords.py",
        "        encoded = _encode(password)\n    except",
        "        encoded = _encode(password[:MAX_LENGTH])\n    except",
        "tests/security/test_passwords.py::test_a_password_too_long_to_be_anybodys_is_not_hashed",
    ),
    sanitization(
        "a form takes files and JSON for text",
        "app/fields.py",
        "super().__init__(sent or None, **kwargs)",
        "super().__init__(**kwargs)",
        f"{BODIES}::test_a_file_is_no_text",
    ),
    sanitization(
        "one form takes more than text",
        "app/auth/forms.py",
        "from app.fields import TextForm\n",
        "from flask_wtf import FlaskForm as TextForm\n",
        "tests/security/test_reflected_text.py::test_every_form_takes_text_alone",
    ),
    sanitization(
        "a field without a name gets in",
        "app/security/bodies.py",
        "if None in request.form:",
        "if None in request.args:",
        f"{BODIES}::test_no_body_is_an_error_of_the_service",
    ),
    sanitization(
        "malformed chunks are an error of the service",
        "app/security/bodies.py",
        "except Exception as error:",
        "except OSError as error:",
        f"{BODIES}::test_no_body_on_the_wire_is_an_error_of_the_service",
    ),
    sanitization(
        "case is folded in domains",
        MODELS,
        "@{valid.domain}",
        "@{valid.domain.casefold()}",
        "tests/test_addresses.py::test_two_domains_are_two_accounts",
    ),
    sanitization(
        "the number of an account may be any",
        "app/auth/operators.py",
        'max(0, min(request.args.get("before", MAX_ID, type=int), MAX_ID))',
        'min(request.args.get("before", MAX_ID, type=int), MAX_ID)',
        "tests/test_operators.py::test_no_number_is_an_error_of_the_service",
        answers={"auth": "oidc"},
    ),
]
