"""Defects in sign-in: passwords and rate limits."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

passwords = partial(Defect, "passwords")
rate_limits = partial(Defect, "rate_limits")


DEFECTS = [
    passwords(
        "hashing is fast, and the minimum cost is lowered too",
        "memory_cost=47104, parallelism=1, hash_len=32, salt_len=16)\nFLOORS = {1: 47104,",
        "memory_cost=4096, parallelism=1, hash_len=32, salt_len=16)\nFLOORS = {1: 4096,",
        "test_password_hashes_have_the_strength_that_owasp_asks_for",
    ),
    passwords(
        "the response time reveals accounts",
        "return HASHER.verify(stored or _dummy_hash(HASHER), normal.encoded()) and bool(stored)",
        "return bool(stored) and HASHER.verify(str(stored), normal.encoded())",
        "test_an_unknown_account_and_a_wrong_password_take_the_same_time",
    ),
    passwords(
        "an unknown account is refused at once",
        "    verify_password(None, password)\n",
        "",
        "test_an_unknown_account_and_a_wrong_password_take_the_same_time",
    ),
    passwords(
        "passwords are not normalized",
        "return Secret(normalize(password.reveal(), MAX_LENGTH))",
        "return Secret(password.reveal()[:4096])",
        "test_both_unicode_forms_of_a_password_match",
    ),
    passwords(
        "only the first 72 bytes of a password count",
        'return self._text.encode("utf-8", "surrogatepass")',
        'return self._text.encode("utf-8", "surrogatepass")[:72]',
        "test_passwords_that_differ_after_72_bytes_do_not_match",
    ),
    passwords(
        "nobody estimates how easily a password is guessed",
        "if is_guessable(password, *context):",
        "if password in context:",
        "test_passwords_built_from_what_is_tried_first_are_refused",
    ),
    passwords(
        "the list of leaked passwords is not read",
        "is_leaked(password) or is_breached(_normalize(password))",
        "is_breached(_normalize(password))",
        "test_leaked_passwords_are_refused",
    ),
    passwords(
        "a capital letter makes another password of a leaked one",
        'return SEPARATORS.sub("", normalize(text, maximum, "NFKC").casefold())',
        'return SEPARATORS.sub("", normalize(text, maximum, "NFKC"))',
        "test_leaked_passwords_are_refused",
    ),
    passwords(
        "a leaked password with an exclamation mark is a new one",
        "folded.strip(string.digits + string.punctuation)",
        "password.reveal()",
        "test_leaked_passwords_with_added_digits_are_refused",
    ),
    passwords(
        "a million guesses are many",
        "MIN_GUESSES = 10**11",
        "MIN_GUESSES = 10**6",
        "test_guessable_passwords_outside_the_lists_are_refused",
    ),
    passwords(
        "a password takes as long to estimate as it likes",
        "[:MAX_JUDGED]",
        "",
        "test_how_long_the_estimate_takes_does_not_depend_on_the_password",
    ),
    passwords(
        "an answer that was cut off tells that a password is good",
        "    if response.length or not",
        "    if not",
        "test_without_an_answer_the_password_is_accepted_and_an_event_says_so",
    ),
    passwords(
        "what is left of a word looks unknown",
        "    texts = {judged, whole}\n",
        "    texts = {judged}\n",
        "test_context_words_do_not_hide_other_common_words",
    ),
    passwords(
        "the service of breached passwords is not asked",
        "is_leaked(password) or is_breached(_normalize(password))",
        "is_leaked(password)",
        "test_a_breached_password_is_refused",
    ),
    passwords(
        "the whole hash of a password leaves",
        "_answer(url, digest[:TOLD])",
        "_answer(url, digest)",
        "test_five_digits_leave_and_nothing_else",
    ),
    passwords(
        "the length of the answer tells which digits were asked for",
        '"Add-Padding": "true", ',
        "",
        "test_five_digits_leave_and_nothing_else",
    ),
    passwords(
        "anybody may pose as the service of breached passwords",
        "tls = ssl.create_default_context()\n    with closing",
        "tls = ssl._create_unverified_context()\n    with closing",
        "test_nothing_is_sent_to_a_breach_service_with_a_wrong_certificate",
    ),
    passwords(
        "a made-up line counts as a breach",
        "counts.get(digest[TOLD:], 0) > 0",
        "digest[TOLD:] in counts",
        "test_padding_lines_of_the_answer_are_ignored",
    ),
    passwords(
        "a service of breached passwords that fails fails the sign-up",
        "except (OSError, HTTPException, ValueError) as error:",
        "except RuntimeError as error:",
        "test_without_an_answer_the_password_is_accepted_and_an_event_says_so",
    ),
    passwords(
        "nobody learns that breached passwords are not looked up",
        '        security_event("breached_passwords_not_checked",'
        ' reason=f"{type(error).__name__}: {error}")\n        return False',
        "        return bool(not error)",
        "test_without_an_answer_the_password_is_accepted_and_an_event_says_so",
    ),
    passwords(
        "an answer may be of any length",
        "MAX_ANSWER = 256 * 1024",
        "MAX_ANSWER = 256 * 1024 * 1024",
        "test_without_an_answer_the_password_is_accepted_and_an_event_says_so",
    ),
    passwords(
        "a byte now and then keeps a request for ever",
        "        late.start()\n",
        "",
        "test_without_an_answer_the_password_is_accepted_and_an_event_says_so",
    ),
    passwords(
        "the hash of a password leaves without TLS",
        'HTTPS_URL = re.compile(r"https://',
        'HTTPS_URL = re.compile(r"https?://',
        "test_start_up_refuses_another_address",
    ),
    passwords(
        "an account that an operator creates has a password at once",
        "    user = User(email=address)\n",
        '    user = User(email=address, password_hash="x")\n',
        "test_the_owner_of_the_mailbox_chooses_the_password_of_a_created_account",
    ),
    passwords(
        "eight characters are enough",
        "MIN_LENGTH = 15",
        "MIN_LENGTH = 8",
        "test_length_is_the_only_rule_of_form",
    ),
    passwords(
        "spaces at the ends are cut off",
        '    password = SecretField("Password", [InputRequired(), good_password])\n    confirm',
        '    password = SecretField("Password", [InputRequired(), good_password],'
        " filters=[lambda it: Secret(it.reveal().strip())])\n    confirm",
        "test_the_shortest_and_the_longest_password_work",
    ),
    passwords(
        "old hashes are not upgraded",
        "            user.password_hash = hash_password(password)\n",
        "            pass\n",
        "test_signing_in_renews_a_hash_of_older_parameters",
    ),
    passwords(
        "a change keeps to no rule",
        '"New password", [InputRequired(), good_password]',
        '"New password", [InputRequired()]',
        "test_sign_up_and_change_keep_to_the_policy",
    ),
    passwords(
        "a new account keeps to no rule",
        '"Password", [InputRequired(), good_password]',
        '"Password", [InputRequired()]',
        "test_sign_up_and_change_keep_to_the_policy",
    ),
    passwords(
        "one's own address is a password",
        "password_problem(field.data, SERVICE_NAME, form.owner_email)",
        "password_problem(field.data, SERVICE_NAME)",
        "test_sign_up_and_change_keep_to_the_policy",
    ),
    passwords(
        "a flood of sign-ins takes all memory",
        "slots = threading.BoundedSemaphore(SLOTS)",
        "slots = threading.BoundedSemaphore(400)",
        "test_a_flood_takes_no_more_memory_than_is_meant_for_it",
    ),
    passwords(
        "waiting sign-ins occupy all threads",
        "if not slots.acquire(blocking=False):",
        "if not slots.acquire(timeout=30):",
        "test_a_flood_leaves_a_thread_for_who_is_signed_in",
    ),
    passwords(
        "every thread of a worker may hash",
        'threads = max(4, int(os.environ.get("GUNICORN_THREADS", "4")))',
        'threads = int(os.environ.get("GUNICORN_THREADS", "3"))',
        "test_a_worker_has_more_threads_than_may_hash",
    ),
    passwords(
        "under load, 503 reveals existing accounts",
        "correct = _confirm(user, password) if user else _refuse(email, password)",
        "correct = user is not None and _confirm(user, password)",
        "test_too_many_simultaneous_sign_ins_get_the_same_answer",
    ),
    passwords(
        "an error occupies a hashing slot forever",
        "        yield\n    finally:\n        slots.release()\n        _tell(-1)",
        "        yield\n    finally:\n        _tell(-1)\n    slots.release()",
        "test_a_slot_is_given_back_whatever_happens",
    ),
    rate_limits(
        "the limiter is never initialised",
        "    limiter.init_app(app)\n",
        "",
        "test_sign_in_by_address",
    ),
    rate_limits(
        "sign-in is not limited",
        '@rate_limits.limited("sign_in", rate_limits.SIGN_IN, client_address,'
        " identity.attempted_account)\n",
        "",
        "test_sign_in_by_address",
    ),
    rate_limits(
        "a change of a row is not limited",
        '@blueprint.route("/<public_id:public_id>/edit", methods=["GET", "POST"])\n',
        "from app.security.rate_limits import unlimited  # noqa: E402\n\n\n"
        '@blueprint.route("/<public_id:public_id>/edit", methods=["GET", "POST"])\n'
        '@unlimited("an edit is no attack")\n',
        "test_every_route_that_writes_comes_to_its_limit",
    ),
    rate_limits(
        "only failures are counted",
        "Limit(rate, key_function=lambda: requested_limit().keys[position]())",
        "Limit(rate, key_function=lambda: requested_limit().keys[position](),"
        " deduct_when=lambda response: response.status_code == 401)",
        "test_attempts_that_are_refused_before_are_counted",
    ),
    rate_limits(
        "the client chooses its address",
        'ip_address(request.remote_addr or "")',
        'ip_address(request.headers.get("X-Real-IP") or request.remote_addr or "")',
        "test_forged_headers_change_nothing",
    ),
    rate_limits(
        "sign-in is not limited by account",
        "SIGN_IN, client_address, identity.attempted_account)",
        "SIGN_IN, client_address)",
        "test_sign_in_by_account",
    ),
    rate_limits(
        "sign-in is not limited by address",
        "SIGN_IN, client_address, identity.attempted_account)",
        "SIGN_IN, identity.attempted_account)",
        "test_sign_in_by_address",
    ),
    rate_limits(
        "a hundred attempts are allowed",
        'SIGN_IN = "10 per 5 minutes"',
        'SIGN_IN = "100 per 5 minutes"',
        "test_every_number_is_in_the_table",
    ),
    rate_limits(
        "each worker counts separately",
        'f"{PREFIX}{redis_url}" if redis_url else "memory://"',
        '"memory://"',
        "test_keys_in_the_store_name_no_account",
    ),
    rate_limits(
        "readiness trusts a node of a Redis Cluster",
        'CHECKED = ("check{06S}", "check{6ZJ}")',
        'CHECKED = ("check{06S}",)',
        "test_readiness_notices_a_node_of_a_cluster",
    ),
    rate_limits(
        "without Redis nothing is counted",
        "        return question(self.memory)\n",
        "        return question(MemoryStorage())\n",
        "test_without_redis_the_limits_go_on_and_readiness_says_so",
    ),
    rate_limits(
        "a Redis that stops is an error of the threads that wait for it",
        "                self._record_failure(error)\n            else:",
        "                if self._failed_at is not None:\n"
        "                    raise\n"
        "                self._record_failure(error)\n            else:",
        "test_no_request_fails_with_redis_and_the_limits_go_on",
    ),
    rate_limits(
        "a Redis that refuses to write is an error of the request",
        "            except RedisError as error:\n                self",
        "            except (ConnectionError, TimeoutError) as error:\n                self",
        "test_no_request_fails_with_redis_and_the_limits_go_on",
    ),
    rate_limits(
        "each request waits for a Redis that is frozen",
        "PAUSE = 5 ",
        "PAUSE = 0 ",
        "test_a_frozen_redis_delays_few_requests",
    ),
    rate_limits(
        "a worker never returns from memory to Redis",
        "now < self._silent_until:",
        "self._silent_until > 0:",
        "test_the_limits_return_to_redis_though_nobody_asks_for_readiness",
    ),
    rate_limits(
        "readiness only pings a full Redis",
        "self.redis.incr(key, expiry=60)",
        'self.redis.get("check")',
        "test_no_request_fails_with_redis_and_the_limits_go_on",
    ),
    rate_limits(
        "a fault of Redis fills the log",
        "        if first:\n",
        "        if error:\n",
        "test_the_fault_and_its_end_are_logged_once",
    ),
    rate_limits(
        "threads that start a counter at once lose counts",
        "        with self._lock:  # threads that start a counter at the same moment would lose"
        " counts\n            return question(self.memory)\n",
        "        return question(self.memory)\n",
        "test_threads_that_start_a_counter_at_the_same_moment_all_count",
    ),
    rate_limits(
        "a flood evicts the counter of a victim",
        "--maxmemory-policy noeviction",
        "--maxmemory-policy volatile-ttl",
        "test_a_flood_of_counters_does_not_set_back_the_one_of_a_victim",
    ),
    rate_limits(
        "a flood evicts the counter of a victim on a host",
        "--maxmemory-policy noeviction",
        "--maxmemory-policy volatile-ttl",
        "test_a_flood_of_counters_does_not_set_back_the_one_of_a_victim",
        {"deployment": "systemd"},
    ),
    rate_limits(
        "a flood evicts the counter of a victim in a cluster",
        "maxmemory-policy noeviction",
        "maxmemory-policy allkeys-lru",
        "test_a_flood_of_counters_does_not_set_back_the_one_of_a_victim",
        {"deployment": "kubernetes"},
        file="deploy/kubernetes/base/valkey.conf",
    ),
    rate_limits(
        "Redis is used without TLS",
        'if parts.scheme == "redis" and not is_loopback(host) and',
        'if parts.scheme == "redis" and not host and',
        "test_production_refuses_redis_without_tls_or_verification",
    ),
    rate_limits(
        "one exception without TLS allows all hosts",
        "and host != private_host.lower():",
        "and not private_host:",
        "test_production_refuses_redis_without_tls_or_verification",
    ),
    rate_limits(
        "the certificate of Redis is not verified",
        "if options.get(option, safe) != safe:",
        "if option not in VERIFIED:",
        "test_production_refuses_redis_without_tls_or_verification",
    ),
    rate_limits(
        "start-up does not check the address of Redis",
        "elif risk := redis_risk(settings.redis_url.reveal(), settings.redis_private_host):",
        'elif risk := redis_risk("redis://localhost", settings.redis_private_host):',
        "test_production_refuses_redis_without_tls_or_verification",
    ),
    rate_limits(
        "an option in the URL removes a timeout",
        "        if name not in allowed:\n",
        "        if not name:\n",
        "test_url_options_cannot_weaken_the_redis_connection",
    ),
    rate_limits(
        "a known session id uses up its owner's limit",
        "tokens.refresh_parts(sent)[0]",
        'sent.reveal().partition(".")[0]',
        "test_a_session_id_that_leaked_does_not_use_up_the_limit_of_its_owner",
        {"auth": "token"},
    ),
    rate_limits(
        "an IPv6 subscriber has endless addresses",
        "ip_network((address, 64), strict=False)",
        "ip_network((address, 128), strict=False)",
        "test_one_ipv6_subscriber_is_one_address",
    ),
    rate_limits(
        "another spelling gets another limit",
        'return hashed_key("account", normalize_email(typed).reveal())',
        'return hashed_key("account", typed.reveal())',
        "test_another_spelling_is_the_same_account",
    ),
    rate_limits(
        "the limit storage contains account names",
        "digest = sha256(name.encode()).hexdigest()",
        "digest = name",
        "test_keys_in_the_store_name_no_account",
    ),
    rate_limits(
        "anonymous requests query the database",
        "    if (token := session.get(SESSION_ID)) is None:\n        return\n",
        "    token = session.get(SESSION_ID)\n",
        "test_a_public_page_asks_neither_redis_nor_the_database",
    ),
    rate_limits(
        "a form that is shown is counted in Redis",
        "return (limit or BY_DEFAULT) if request.method in CHANGING else UNLIMITED",
        "return limit or BY_DEFAULT",
        "test_a_public_page_asks_neither_redis_nor_the_database",
    ),
    rate_limits(
        "a route that only reads counts nothing",
        "        return limit or UNLIMITED\n",
        "        return UNLIMITED\n",
        "test_a_route_that_only_reads_counts_every_request",
    ),
    rate_limits(
        "twice the limit is allowed at the edge of a window",
        'strategy="sliding-window-counter"',
        'strategy="fixed-window"',
        "test_the_window_slides",
    ),
    rate_limits(
        "attempts without a token are not counted",
        "    rate_limits,\n    csrf,\n    audits,\n)",
        "    csrf,\n    rate_limits,\n    audits,\n)",
        "test_attempts_that_are_refused_before_are_counted",
    ),
    rate_limits(
        "a refusal has no Retry-After",
        'return respond(error, {"Retry-After": str(max(seconds, 1))})',
        "return respond(error)",
        "test_the_refusal_says_when_to_come_back",
    ),
    rate_limits(
        "Nginx lets a flood pass",
        "    limit_req zone=requests burst=40 nodelay;\n",
        "",
        "test_a_flood_is_limited_by_address_whatever_it_asks_for",
    ),
    rate_limits(
        "Nginx lets slow clients hold all connections",
        "    limit_conn connections 20;\n",
        "",
        "test_an_address_holds_no_more_than_20_slow_bodies",
    ),
    rate_limits(
        "a header may take one minute",
        "    client_header_timeout 10s;\n",
        "",
        "test_a_connection_without_a_request_ends",
    ),
    rate_limits(
        "a slow client holds an old process of Nginx for months",
        "worker_shutdown_timeout 30s;\n",
        "",
        "test_a_reload_ends_slow_bodies",
    ),
    rate_limits(
        "Nginx counts each IPv6 address",
        "limit_req_zone $client_network ",
        "limit_req_zone $binary_remote_addr ",
        "test_an_ipv6_subscriber_counts_as_one",
    ),
]
