"""Who tries to get in: passwords and rate limits."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

passwords = partial(Defect, "passwords")
rate_limits = partial(Defect, "rate_limits")

PASSWORDS = "app/security/passwords.py"
PASSWORD_TESTS = "tests/security/test_passwords.py"
FLOODS = "tests/test_floods.py"
LIMITS = "app/security/rate_limits.py"
LIMIT_KEYS = "app/security/limit_keys.py"
LIMIT_STORAGE = "app/security/limit_storage.py"
LIMIT_TESTS = "tests/security/test_rate_limits.py"
FAULT_TESTS = "tests/security/test_storage_faults.py"
REDIS_TLS_TESTS = "tests/security/test_storage_tls.py"

DEFECTS = [
    passwords(
        "hashing is fast, and the minimum cost is lowered too",
        PASSWORDS,
        "memory_cost=47104, parallelism=1, hash_len=32, salt_len=16)\nFLOORS = {1: 47104,",
        "memory_cost=4096, parallelism=1, hash_len=32, salt_len=16)\nFLOORS = {1: 4096,",
        f"{PASSWORD_TESTS}::test_what_is_stored_is_as_strong_as_owasp_asks",
    ),
    passwords(
        "the response time reveals accounts",
        PASSWORDS,
        "return HASHER.verify(stored or _dummy_hash(HASHER), encoded) and bool(stored)",
        "return bool(stored) and HASHER.verify(str(stored), encoded)",
        f"{PASSWORD_TESTS}::test_unknown_and_wrong_take_the_same_time",
    ),
    passwords(
        "an unknown account is refused at once",
        "app/auth/accounts.py",
        "    verify_password(None, password)\n",
        "",
        f"{PASSWORD_TESTS}::test_unknown_and_wrong_take_the_same_time",
    ),
    passwords(
        "passwords are not normalized",
        PASSWORDS,
        "return normalize(password, MAX_LENGTH)",
        "return password[:4096]",
        f"{PASSWORD_TESTS}::test_another_keyboard_types_the_same_password",
    ),
    passwords(
        "only the first 72 bytes of a password count",
        PASSWORDS,
        '.encode("utf-8", "surrogatepass")',
        '.encode("utf-8", "surrogatepass")[:72]',
        f"{PASSWORD_TESTS}::test_what_differs_after_72_bytes_differs",
    ),
    passwords(
        "the blocklist is not checked",
        PASSWORDS,
        "if unexplained(password, *context) < MIN_UNEXPLAINED:",
        "if password in context:",
        f"{PASSWORD_TESTS}::test_passwords_built_from_what_is_tried_first_are_refused",
    ),
    passwords(
        "eight characters are enough",
        PASSWORDS,
        "MIN_LENGTH = 15",
        "MIN_LENGTH = 8",
        f"{PASSWORD_TESTS}::test_length_is_the_only_rule_of_form",
    ),
    passwords(
        "spaces at the ends are cut off",
        "app/auth/forms.py",
        '    password = PasswordField("Password", [InputRequired()])\n    confirm',
        '    password = PasswordField("Password", [InputRequired()],'
        " filters=[lambda it: it and it.strip()])\n    confirm",
        f"{PASSWORD_TESTS}::test_the_shortest_and_the_longest_password_work",
    ),
    passwords(
        "old hashes are not upgraded",
        "app/auth/accounts.py",
        "    if user.password_hash and needs_rehash(user.password_hash):\n"
        "        user.password_hash = hash_password(password)\n",
        "",
        f"{PASSWORD_TESTS}::test_signing_in_renews_a_hash_of_older_parameters",
    ),
    passwords(
        "a change keeps to no rule",
        "app/auth/forms.py",
        "        if problem := password_problem(field.data, SERVICE_NAME, self.owner_email):\n"
        "            raise ValidationError(problem)\n",
        "        pass\n",
        f"{PASSWORD_TESTS}::test_sign_up_and_change_keep_to_the_policy",
    ),
    passwords(
        "one's own address is a password",
        "app/auth/forms.py",
        'password_problem(field.data, SERVICE_NAME, self.email.data or "")',
        "password_problem(field.data, SERVICE_NAME)",
        f"{PASSWORD_TESTS}::test_sign_up_and_change_keep_to_the_policy",
    ),
    passwords(
        "a flood of sign-ins takes all memory",
        PASSWORDS,
        "slots = threading.BoundedSemaphore(SLOTS)",
        "slots = threading.BoundedSemaphore(400)",
        f"{FLOODS}::test_a_flood_takes_no_more_memory_than_is_meant_for_it",
    ),
    passwords(
        "waiting sign-ins occupy all threads",
        PASSWORDS,
        "if not slots.acquire(blocking=False):",
        "if not slots.acquire(timeout=30):",
        f"{FLOODS}::test_a_flood_leaves_a_thread_for_who_is_signed_in",
    ),
    passwords(
        "every thread of a worker may hash",
        "deploy/gunicorn.conf.py",
        'threads = max(4, int(os.environ.get("GUNICORN_THREADS", "4")))',
        'threads = int(os.environ.get("GUNICORN_THREADS", "3"))',
        f"{FLOODS}::test_a_worker_has_more_threads_than_may_hash",
    ),
    passwords(
        "under load, 503 reveals existing accounts",
        "app/auth/accounts.py",
        "correct = _confirm(user, password) if user else _refuse(email, password)",
        "correct = user is not None and _confirm(user, password)",
        f"{PASSWORD_TESTS}::test_too_many_at_once_are_the_same_answer",
    ),
    passwords(
        "an error occupies a hashing slot forever",
        PASSWORDS,
        "    try:\n        yield\n    finally:\n        slots.release()",
        "    yield\n    slots.release()",
        f"{PASSWORD_TESTS}::test_a_slot_is_given_back_whatever_happens",
    ),
    rate_limits(
        "the limiter is never initialised",
        LIMITS,
        "    limiter.init_app(app)\n",
        "",
        f"{LIMIT_TESTS}::test_sign_in_by_address",
    ),
    rate_limits(
        "sign-in is not limited",
        "app/auth/views.py",
        "@limits.sign_in\n",
        "",
        f"{LIMIT_TESTS}::test_every_route_that_changes_something_is_limited",
    ),
    rate_limits(
        "only failures are counted",
        LIMITS,
        "Limit(rate, key_function=lambda: requested_limit().keys[position]())",
        "Limit(rate, key_function=lambda: requested_limit().keys[position](),"
        " deduct_when=lambda response: response.status_code == 401)",
        f"{LIMIT_TESTS}::test_attempts_that_are_refused_before_are_counted",
    ),
    rate_limits(
        "the client chooses its address",
        LIMIT_KEYS,
        'ip_address(request.remote_addr or "")',
        'ip_address(request.headers.get("X-Real-IP") or request.remote_addr or "")',
        f"{LIMIT_TESTS}::test_forged_headers_change_nothing",
    ),
    rate_limits(
        "sign-in is not limited by account",
        "app/auth/limits.py",
        "SIGN_IN, client_address, attempted_account)",
        "SIGN_IN, client_address)",
        f"{LIMIT_TESTS}::test_sign_in_by_account",
    ),
    rate_limits(
        "sign-in is not limited by address",
        "app/auth/limits.py",
        "SIGN_IN, client_address, attempted_account)",
        "SIGN_IN, attempted_account)",
        f"{LIMIT_TESTS}::test_sign_in_by_address",
    ),
    rate_limits(
        "a hundred attempts are allowed",
        LIMITS,
        'SIGN_IN = "10 per 5 minutes"',
        'SIGN_IN = "100 per 5 minutes"',
        f"{LIMIT_TESTS}::test_the_limits_are_those_that_the_documentation_names",
    ),
    rate_limits(
        "each worker counts separately",
        LIMITS,
        'f"{PREFIX}{redis_url}" if redis_url else "memory://"',
        '"memory://"',
        f"{LIMIT_TESTS}::test_keys_in_the_store_name_no_account",
    ),
    rate_limits(
        "without Redis nothing is counted",
        LIMIT_STORAGE,
        "        return question(self.memory)\n",
        "        return question(MemoryStorage())\n",
        f"{LIMIT_TESTS}::test_without_redis_the_limits_go_on_and_readiness_says_so",
    ),
    rate_limits(
        "a Redis that stops is an error of the threads that wait for it",
        LIMIT_STORAGE,
        "                self._note_failure(error)\n            else:",
        "                if self._failed_at is not None:\n"
        "                    raise\n"
        "                self._note_failure(error)\n            else:",
        f"{FAULT_TESTS}::test_no_request_fails_with_redis_and_the_limits_go_on",
    ),
    rate_limits(
        "a Redis that refuses to write is an error of the request",
        LIMIT_STORAGE,
        "            except RedisError as error:\n                self",
        "            except (ConnectionError, TimeoutError) as error:\n                self",
        f"{FAULT_TESTS}::test_no_request_fails_with_redis_and_the_limits_go_on",
    ),
    rate_limits(
        "each request waits for a Redis that is frozen",
        LIMIT_STORAGE,
        "PAUSE = 5 ",
        "PAUSE = 0 ",
        f"{FAULT_TESTS}::test_a_frozen_redis_delays_few_requests",
    ),
    rate_limits(
        "a worker never returns from memory to Redis",
        LIMIT_STORAGE,
        "now < self._silent_until:",
        "self._silent_until > 0:",
        f"{FAULT_TESTS}::test_the_limits_return_to_redis_though_nobody_asks_for_readiness",
    ),
    rate_limits(
        "readiness only pings a full Redis",
        LIMIT_STORAGE,
        'self.redis.incr("check", expiry=60)',
        'self.redis.get("check")',
        f"{FAULT_TESTS}::test_no_request_fails_with_redis_and_the_limits_go_on",
    ),
    rate_limits(
        "a fault of Redis fills the log",
        LIMIT_STORAGE,
        "        if first:\n",
        "        if error:\n",
        f"{FAULT_TESTS}::test_the_fault_and_its_end_are_logged_once",
    ),
    rate_limits(
        "a flood evicts the counter of a victim",
        "compose.yaml",
        "--maxmemory-policy noeviction",
        "--maxmemory-policy volatile-ttl",
        f"{FAULT_TESTS}::test_a_flood_of_counters_does_not_set_back_the_one_of_a_victim",
    ),
    rate_limits(
        "a flood evicts the counter of a victim on a host",
        "deploy/systemd/app-redis.service",
        "--maxmemory-policy noeviction",
        "--maxmemory-policy volatile-ttl",
        f"{FAULT_TESTS}::test_a_flood_of_counters_does_not_set_back_the_one_of_a_victim",
        {"deployment": "systemd"},
    ),
    rate_limits(
        "a flood evicts the counter of a victim in a cluster",
        "deploy/kubernetes/base/valkey.conf",
        "maxmemory-policy noeviction",
        "maxmemory-policy allkeys-lru",
        f"{FAULT_TESTS}::test_a_flood_of_counters_does_not_set_back_the_one_of_a_victim",
        {"deployment": "kubernetes"},
    ),
    rate_limits(
        "Redis is used without TLS",
        "app/environment.py",
        'if parts.scheme == "redis" and not is_loopback(host) and',
        'if parts.scheme == "redis" and not host and',
        f"{REDIS_TLS_TESTS}::test_production_refuses_a_redis_that_others_can_read_or_pose_as",
    ),
    rate_limits(
        "one exception without TLS allows all hosts",
        "app/environment.py",
        "and host != private_host.lower():",
        "and not private_host:",
        f"{REDIS_TLS_TESTS}::test_production_refuses_a_redis_that_others_can_read_or_pose_as",
    ),
    rate_limits(
        "the certificate of Redis is not verified",
        "app/environment.py",
        "if options.get(option, safe) != safe:",
        "if option not in REDIS_VERIFIED:",
        f"{REDIS_TLS_TESTS}::test_production_refuses_a_redis_that_others_can_read_or_pose_as",
    ),
    rate_limits(
        "start-up does not check the address of Redis",
        LIMITS,
        "elif risk := redis_risk(settings.redis_url, settings.redis_private_host):",
        'elif risk := redis_risk("redis://localhost", settings.redis_private_host):',
        f"{REDIS_TLS_TESTS}::test_production_refuses_a_redis_that_others_can_read_or_pose_as",
    ),
    rate_limits(
        "an option in the URL removes a timeout",
        "app/environment.py",
        "        if name not in allowed:\n",
        "        if not name:\n",
        f"{REDIS_TLS_TESTS}::test_no_option_undoes_what_the_service_sets",
    ),
    rate_limits(
        "a known session id uses up its owner's limit",
        "app/auth/identity.py",
        'return tokens.refresh_parts(validation.peek("refresh_token"))[0]',
        'return validation.peek("refresh_token").partition(".")[0]',
        "tests/test_tokens.py::test_a_session_id_that_leaked_does_not_use_up_the_limit_of_its_owner",
        {"auth": "token"},
    ),
    rate_limits(
        "an IPv6 subscriber has endless addresses",
        LIMIT_KEYS,
        "ip_network((address, 64), strict=False)",
        "ip_network((address, 128), strict=False)",
        f"{LIMIT_TESTS}::test_one_ipv6_subscriber_is_one_address",
    ),
    rate_limits(
        "another spelling gets another limit",
        "app/auth/identity.py",
        "        return normalize_email(text)\n",
        "        return text\n",
        f"{LIMIT_TESTS}::test_another_spelling_is_the_same_account",
    ),
    rate_limits(
        "the limit storage contains account names",
        LIMIT_KEYS,
        "digest = sha256(name.encode()).hexdigest()",
        "digest = name",
        f"{LIMIT_TESTS}::test_keys_in_the_store_name_no_account",
    ),
    rate_limits(
        "anonymous requests query the database",
        "app/auth/identity.py",
        "    if (token := session.get(SESSION_ID)) is None:\n        return\n",
        "    token = session.get(SESSION_ID)\n",
        f"{LIMIT_TESTS}::test_a_public_page_asks_neither_redis_nor_the_database",
    ),
    rate_limits(
        "a form that is shown is counted in Redis",
        LIMITS,
        "return limit if only_reads or request.method in CHANGING else UNLIMITED",
        "return limit",
        f"{LIMIT_TESTS}::test_a_public_page_asks_neither_redis_nor_the_database",
    ),
    rate_limits(
        "a route that only reads counts nothing",
        LIMITS,
        "limit if only_reads or",
        "limit if",
        f"{LIMIT_TESTS}::test_a_route_that_only_reads_counts_every_request",
    ),
    rate_limits(
        "twice the limit is allowed at the edge of a window",
        LIMITS,
        'strategy="sliding-window-counter"',
        'strategy="fixed-window"',
        f"{LIMIT_TESTS}::test_the_window_slides",
    ),
    rate_limits(
        "attempts without a token are not counted",
        "app/security/__init__.py",
        "    rate_limits,\n    csrf,\n    audits,\n)",
        "    csrf,\n    rate_limits,\n    audits,\n)",
        f"{LIMIT_TESTS}::test_attempts_that_are_refused_before_are_counted",
    ),
    rate_limits(
        "a refusal has no Retry-After",
        LIMITS,
        'return respond(error, {"Retry-After": str(max(seconds, 1))})',
        "return respond(error)",
        f"{LIMIT_TESTS}::test_the_refusal_says_when_to_come_back",
    ),
    rate_limits(
        "Nginx lets a flood pass",
        "deploy/nginx/nginx.conf",
        "    limit_req zone=requests burst=40 nodelay;\n",
        "",
        "tests/security/test_https.py::test_a_flood_is_limited_by_address_whatever_it_asks_for",
    ),
    rate_limits(
        "Nginx lets slow clients hold all connections",
        "deploy/nginx/nginx.conf",
        "    limit_conn connections 20;\n",
        "",
        "tests/test_connections.py::test_an_address_holds_no_more_than_20_slow_bodies",
    ),
    rate_limits(
        "a header may take one minute",
        "deploy/nginx/nginx.conf",
        "    client_header_timeout 10s;\n",
        "",
        "tests/test_connections.py::test_a_connection_without_a_request_ends",
    ),
    rate_limits(
        "a slow client holds an old process of Nginx for months",
        "deploy/nginx/nginx.conf",
        "worker_shutdown_timeout 30s;\n",
        "",
        "tests/test_connections.py::test_a_reload_ends_slow_bodies",
    ),
    rate_limits(
        "Nginx counts each IPv6 address",
        "deploy/nginx/nginx.conf",
        "limit_req_zone $client_network ",
        "limit_req_zone $binary_remote_addr ",
        "tests/security/test_https.py::test_an_ipv6_subscriber_counts_as_one",
    ),
]
