"""Which test looks at which page: every page of a service is checked in a real browser."""

from __future__ import annotations

# The tests whose people call look(), and the pages that they see there, with their titles: the
# overlay of "_options" and the template. tests/test_pages.py compares it with the templates, and
# the fixture new_person with what was seen.
LOOKED_AT = {
    "test_from_signing_up_to_signing_out": {
        "html/account/index.html": "Your account",
        "html/home.html": "Welcome",
        "html/notes/show.html": "Shopping",
        "html/resources/form.html": "New note",
        "html/resources/index.html": "Your notes",
        "session/account/password.html": "Change your password",
        "session/auth/choose.html": "Choose a password",
        "session/auth/forgot.html": "Forgot your password?",
        "session/auth/link_ended.html": "This link is invalid or has expired",
        "session/auth/login.html": "Sign in",
        "session/auth/register.html": "Sign up",
    },
    "test_from_another_address_to_the_end_of_the_account": {
        "html/account/deleted.html": "Your account is deleted",
        "session/account/delete.html": "Delete your account",
        "session/account/email.html": "Change your address",
        "session/auth/new_address.html": "Confirm your new address",
    },
    "test_a_text_that_meets_a_limit_is_still_there": {"html/error.html": "Too many attempts"},
    "test_a_text_outlives_its_session": {"html/kept_form.html": "Your session has ended"},
    "test_an_account_that_was_locked_out": {
        "session/auth/unlock.html": "Allow your password again",
    },
    "test_the_second_factors_are_kept": {"session/auth/keep.html": "Keep your second factors"},
    "test_a_link_that_wants_a_sign_in": {"session/auth/sign_in_first.html": "Sign in first"},
    "test_an_app_from_setting_up_to_removing": {
        "session/account/app.html": "Set up an authenticator app",
        "session/account/recovery_codes.html": "Your recovery codes",
        "session/account/second_factors.html": "What protects your account",
        "session/auth/second_factor.html": "Second factor",
    },
    "test_a_passkey_from_adding_to_removing": {
        "session/account/step_up.html": "Confirm that it is you",
    },
    "test_designers_see_every_component": {"html/dev/components.html": "Components"},
    "test_the_pages_of_a_user": {
        "oidc/account/delete.html": "Delete your account",
        "oidc/account/step_up.html": "Confirm that it is you",
        "oidc/auth/login.html": "Sign in",
    },
    "test_the_pages_of_an_operator": {"oidc/operators/accounts.html": "Accounts"},
    "test_the_emergency_sign_in": {"oidc/auth/emergency.html": "Emergency sign-in"},
}
