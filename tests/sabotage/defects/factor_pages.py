"""Defects in the pages of second factors and fresh proofs: targets, texts, limits."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

pages = partial(Defect, "factor_pages")

LEADS = "test_a_passkey_leads_to_the_requested_page"
SAYS = "test_the_account_page_says_what_protects_it_and_what_to_do_next"

DEFECTS = [
    pages(
        "a step leads to another site",
        '    return own_path(request.args.get("next"))\n',
        '    return request.args.get("next")\n',
        "test_no_step_leads_to_another_site",
    ),
    pages(
        "a passkey forgets where its user wanted to go",
        "url_for(action, next=next_page())",
        "url_for(action)",
        LEADS,
    ),
    pages(
        "a proof leads to a page that only takes a form",
        '        if "GET" in (rule.methods or ()):\n',
        "        if rule.methods:\n",
        "test_a_fresh_proof_for_a_button_leads_back_to_its_page",
    ),
    pages(
        "a link on another site writes a message",
        "        if form.is_submitted():  # else",
        "        if form is not None:  # else",
        "test_a_link_to_the_second_step_writes_no_message",
    ),
    pages(
        "a button is there that does nothing",
        ' class="{{ class }}" hidden>',
        ' class="{{ class }}">',
        "test_without_a_script_the_pages_say_so_and_the_other_ways_work",
    ),
    pages(
        "nobody is told that passkeys need a script",
        '  <noscript><p class="hint">Passkeys need JavaScript,',
        '  <noscript><p class="hint">Passkeys need another browser,',
        "test_without_a_script_the_pages_say_so_and_the_other_ways_work",
    ),
    pages(
        "the script makes HTML",
        "text.hidden = text.dataset.passkeyText !== name;",
        "text.innerHTML = name;",
        "test_the_script_makes_no_html",
    ),
    pages(
        "the QR code is a negative",
        "for x, dark in enumerate(row) if dark\n",
        "for x, dark in enumerate(row) if not dark\n",
        "test_the_qr_code_is_inline_and_says_what_the_text_says",
    ),
    pages(
        "an app that was never set up seems to protect",
        "app=totp.is_enabled(user),",
        "app=totp.find(user) is not None,",
        SAYS,
    ),
    pages(
        "nobody is told that recovery codes run out",
        "if self.codes <= FEW:",
        "if self.codes < 0:",
        "test_the_account_page_warns_of_few_recovery_codes",
    ),
    pages(
        "whoever has set an app up must prove it again at once",
        '            identity.prove("code")\n',
        "",
        SAYS,
    ),
    pages(
        "the last use of a passkey is not stored",
        ".values(sign_count=found.new_sign_count, used_at=now())",
        ".values(sign_count=found.new_sign_count)",
        "test_passkeys_are_listed_with_their_last_use",
    ),
    pages(
        "each ticket has tries of its own",
        'return hashed_key("account", str(user.id)) if user else client_address()',
        'return hashed_key("ticket", ticket_cookie.kept().reveal()) if user else client_address()',
        "test_codes_are_limited_by_the_account_whatever_the_ticket",
    ),
    pages(
        "a thief in one session keeps the owner out of another",
        'return hashed_key("session", g.session.public_id) if g.get("session")'
        " else client_address()",
        "return f\"user:{g.user.id}\" if g.get('session') else client_address()",
        "test_fresh_proofs_are_limited_by_the_session",
    ),
    pages(
        "who must set a factor up goes on without",
        '            return redirect(url_for("second_factors.index"))\n    return None\n',
        "            return None\n    return None\n",
        "test_users_without_a_required_second_factor_are_led_to_its_set_up",
    ),
]
