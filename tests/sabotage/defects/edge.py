"""The way in: Nginx, TLS, gunicorn, and what the app believes of a request."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

https = partial(Defect, "https")
nginx = partial(Defect, "nginx")

HTTPS = "tests/security/test_https.py"
SITE = "deploy/nginx/site.conf"
PROXY = "deploy/nginx/proxy.conf"
TLS = "deploy/nginx/tls.conf"
MAIN = "deploy/nginx/nginx.conf"
HEADERS = "deploy/nginx/headers.conf"
GUNICORN = "deploy/gunicorn.conf.py"
HSTS = f"{HTTPS}::test_every_answer_of_the_app_passes_with_hsts_once"
FORGED = f"{HTTPS}::test_forged_headers_do_not_reach_the_app"
READYZ = "    location = /readyz {\n        return 404;\n    }\n"

DEFECTS = [
    https(
        "HSTS is dropped",
        HEADERS,
        "add_header Strict-Transport-Security $hsts always;\n",
        "",
        HSTS,
    ),
    https(
        "HSTS ends after five minutes",
        HEADERS,
        "max-age=63072000; includeSubDomains",
        "max-age=300",
        HSTS,
    ),
    https(
        "one more header drops all others",
        SITE,
        "        include proxy.conf;\n",
        "        include proxy.conf;\n        add_header X-Served-By nginx;\n",
        HSTS,
    ),
    https(
        "TLS 1.0 is allowed",
        TLS,
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;",
        f"{HTTPS}::test_tls_is_what_mozilla_recommends",
    ),
    https(
        "a cipher without forward secrecy",
        TLS,
        "ssl_ciphers ",
        "ssl_ciphers AES256-GCM-SHA384:",
        f"{HTTPS}::test_tls_is_what_mozilla_recommends",
    ),
    https(
        "early data can be replayed",
        TLS,
        "ssl_early_data off;",
        "ssl_early_data on;",
        f"{HTTPS}::test_tls_is_what_mozilla_recommends",
    ),
    https(
        "a scan by address sees the certificate",
        SITE,
        "    ssl_reject_handshake on;\n",
        "    ssl_certificate /etc/ssl/demo-svc/fullchain.pem;\n"
        "    ssl_certificate_key /etc/ssl/demo-svc/privkey.pem;\n",
        f"{HTTPS}::test_an_unknown_name_sees_no_certificate",
    ),
    https(
        "any host name is redirected",
        SITE,
        "return 444;",
        "return 308 https://$host$request_uri;",
        f"{HTTPS}::test_plain_http_for_another_host_gets_nothing",
    ),
    https(
        "the app trusts two hops",
        "app/security/https.py",
        "x_for=1,",
        "x_for=2,",
        f"{HTTPS}::test_the_app_trusts_one_hop",
    ),
    https(
        "the client names the host",
        "app/security/https.py",
        "x_host=0,",
        "x_host=1,",
        f"{HTTPS}::test_the_app_trusts_one_hop",
    ),
    https(
        "plain HTTP is answered",
        "app/security/https.py",
        "if not request.is_secure and request.path not in HEALTH_CHECKS:",
        'if not request.is_secure and request.method not in ("GET", "HEAD"):',
        f"{HTTPS}::test_the_app_refuses_plain_http_but_for_health_checks",
    ),
    https(
        "the app answers to its address",
        "app/settings.py",
        "            hosts += (domain_name,)\n",
        '            hosts += (domain_name, "127.0.0.1")\n',
        f"{HTTPS}::test_the_app_answers_to_its_name_only",
    ),
    nginx(
        "the forwarded address is added to what the client sent",
        PROXY,
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        FORGED,
    ),
    nginx(
        "another name for the address passes",
        PROXY,
        'proxy_set_header X-Real-IP "";\n',
        "",
        FORGED,
    ),
    nginx(
        "headers with underscores pass",
        MAIN,
        "underscores_in_headers off;",
        "underscores_in_headers on;",
        FORGED,
    ),
    nginx(
        "requests share a connection to the app",
        PROXY,
        "proxy_set_header Connection close;",
        'proxy_set_header Connection "";',
        FORGED,
    ),
    nginx(
        "the version is told",
        MAIN,
        "    server_tokens off;\n",
        "",
        HSTS,
    ),
    nginx(
        "everybody learns when the limits are weaker",
        SITE,
        READYZ,
        "",
        f"{HTTPS}::test_visitors_do_not_learn_whether_the_service_is_ready",
    ),
    nginx(
        "another spelling of the readiness check passes",
        SITE,
        READYZ,
        "    if ($request_uri = /readyz) {\n        return 404;\n    }\n",
        f"{HTTPS}::test_visitors_do_not_learn_whether_the_service_is_ready",
    ),
    nginx(
        "every method passes",
        SITE,
        '        if ($request_method !~ "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$") {\n'
        "            return 405;\n"
        "        }\n",
        "",
        f"{HTTPS}::test_other_methods_are_refused",
    ),
    nginx(
        "a body may have 64 MiB",
        MAIN,
        "client_max_body_size 256k;",
        "client_max_body_size 64m;",
        f"{HTTPS}::test_a_body_ends_at_256_kib",
    ),
    nginx(
        "secrets are compressed beside an attacker's text",
        MAIN,
        "gzip off;",
        "gzip on;",
        f"{HTTPS}::test_nothing_is_compressed",
    ),
    nginx(
        "a write is repeated at another instance",
        PROXY,
        "proxy_next_upstream error;",
        "proxy_next_upstream error non_idempotent;",
        f"{HTTPS}::test_a_write_is_not_sent_to_another_instance",
    ),
    nginx(
        "the tokens of the authority are listed",
        SITE,
        "        root /var/www/acme;\n",
        "        root /var/www/acme;\n        autoindex on;\n",
        f"{HTTPS}::test_the_certificate_authority_finds_its_token",
    ),
    nginx(
        "an error page names the app's socket",
        "deploy/nginx/error_pages.conf",
        "      <p>$error_detail</p>\n",
        "      <p>$error_detail $upstream_addr</p>\n",
        f"{HTTPS}::test_an_app_that_is_down_shows_nothing",
    ),
    nginx(
        "the host is what the client wrote",
        PROXY,
        "proxy_set_header Host $host;",
        "proxy_set_header Host $http_host;",
        f"{HTTPS}::test_the_host_is_the_one_that_nginx_chose_by",
    ),
    https(
        "gunicorn listens on a port",
        GUNICORN,
        'os.environ.get("GUNICORN_BIND", SOCKET)',
        'os.environ.get("GUNICORN_BIND", "0.0.0.0:8000")',
        f"{HTTPS}::test_gunicorn_listens_on_a_socket_only",
    ),
    https(
        "each worker opens the socket for itself",
        GUNICORN,
        "umask = 0o117\n",
        "umask = 0o117\nreuse_port = True\n",
        "tests/test_instances.py::test_a_killed_master_is_replaced",
    ),
    https(
        "everybody reaches the socket",
        GUNICORN,
        "umask = 0o117",
        "umask = 0o111",
        f"{HTTPS}::test_only_owner_and_group_reach_the_socket",
    ),
    https(
        "gunicorn takes ambiguous headers",
        GUNICORN,
        'header_map = "refuse"',
        'header_map = "dangerous"',
        f"{HTTPS}::test_gunicorn_itself_takes_no_ambiguous_header",
    ),
]
