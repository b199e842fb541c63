"""Defects between network and app: Nginx, TLS, gunicorn, trusted request headers."""

from __future__ import annotations

from functools import partial

from tests.sabotage.defect import Defect

https = partial(Defect, "https")
nginx = partial(Defect, "nginx")

READYZ = "    location = /readyz {\n        return 404;\n    }\n"

DEFECTS = [
    https(
        "HSTS is dropped",
        "add_header Strict-Transport-Security $hsts always;\n",
        "",
        "test_every_answer_of_the_app_passes_with_hsts_once",
    ),
    https(
        "HSTS ends after five minutes",
        "max-age=63072000; includeSubDomains",
        "max-age=300",
        "test_every_answer_of_the_app_passes_with_hsts_once",
    ),
    https(
        "one more header drops all others",
        "    location / {\n        include proxy.conf;\n",
        "    location / {\n        add_header X-Served-By nginx;\n        include proxy.conf;\n",
        "test_every_answer_of_the_app_passes_with_hsts_once",
    ),
    https(
        "TLS 1.0 is allowed",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;",
        "test_tls_is_what_mozilla_recommends",
    ),
    https(
        "a cipher without forward secrecy",
        "ssl_ciphers ",
        "ssl_ciphers AES256-GCM-SHA384:",
        "test_tls_is_what_mozilla_recommends",
    ),
    https(
        "early data can be replayed",
        "ssl_early_data off;",
        "ssl_early_data on;",
        "test_tls_is_what_mozilla_recommends",
    ),
    https(
        "a scan by address sees the certificate",
        "    ssl_reject_handshake on;\n",
        "    ssl_certificate /etc/ssl/demo-svc/fullchain.pem;\n"
        "    ssl_certificate_key /etc/ssl/demo-svc/privkey.pem;\n",
        "test_an_unknown_name_sees_no_certificate",
    ),
    https(
        "any host name is redirected",
        "return 444;",
        "return 308 https://$host$request_uri;",
        "test_plain_http_for_another_host_gets_no_answer",
    ),
    https(
        "the app trusts two hops",
        "x_for=1,",
        "x_for=2,",
        "test_the_app_trusts_one_hop",
    ),
    https(
        "the client names the host",
        "x_host=0,",
        "x_host=1,",
        "test_the_app_trusts_one_hop",
    ),
    https(
        "plain HTTP is answered",
        "if not request.is_secure and request.path not in HEALTH_CHECKS:",
        'if not request.is_secure and request.method not in ("GET", "HEAD"):',
        "test_the_app_refuses_plain_http_but_for_health_checks",
    ),
    https(
        "the app answers to its address",
        "            hosts += (domain_name,)\n",
        '            hosts += (domain_name, "127.0.0.1")\n',
        "test_the_app_refuses_other_host_names",
    ),
    nginx(
        "the forwarded address is added to what the client sent",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "test_forged_headers_do_not_reach_the_app",
    ),
    nginx(
        "another name for the address passes",
        'proxy_set_header X-Real-IP "";\n',
        "",
        "test_forged_headers_do_not_reach_the_app",
    ),
    nginx(
        "headers with underscores pass",
        "underscores_in_headers off;",
        "underscores_in_headers on;",
        "test_forged_headers_do_not_reach_the_app",
    ),
    nginx(
        "requests share a connection to the app",
        "proxy_set_header Connection close;",
        'proxy_set_header Connection "";',
        "test_forged_headers_do_not_reach_the_app",
    ),
    nginx(
        "the version is told",
        "    server_tokens off;\n",
        "",
        "test_every_answer_of_the_app_passes_with_hsts_once",
    ),
    nginx(
        "everybody learns when the limits are weaker",
        READYZ,
        "",
        "test_visitors_do_not_learn_whether_the_service_is_ready",
    ),
    nginx(
        "another spelling of the readiness check passes",
        READYZ,
        "    if ($request_uri = /readyz) {\n        return 404;\n    }\n",
        "test_visitors_do_not_learn_whether_the_service_is_ready",
    ),
    nginx(
        "every method passes",
        '    if ($request_method !~ "^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$") {\n'
        "        return 405;\n"
        "    }\n",
        "",
        "test_other_methods_are_refused",
    ),
    nginx(
        "Nginx answers for the app which methods a route has",
        "        error_log /dev/stderr emerg;\n",
        "        error_log /dev/stderr emerg;\n"
        '        if ($request_method !~ "^(GET|HEAD|POST)$") {\n'
        "            return 405;\n"
        "        }\n",
        "test_a_refused_method_gets_those_of_the_route",
        file="deploy/nginx/site.conf",
    ),
    nginx(
        "a body may have 64 MiB",
        "client_max_body_size 256k;",
        "client_max_body_size 64m;",
        "test_a_body_ends_at_256_kib",
    ),
    nginx(
        "secrets are compressed beside an attacker's text",
        "gzip off;",
        "gzip on;",
        "test_nothing_is_compressed",
    ),
    nginx(
        "a write is repeated at another instance",
        "proxy_next_upstream error;",
        "proxy_next_upstream error non_idempotent;",
        "test_a_write_is_not_sent_to_another_instance",
    ),
    nginx(
        "the tokens of the authority are listed",
        "        root /var/www/acme;\n",
        "        root /var/www/acme;\n        autoindex on;\n",
        "test_the_certificate_authority_finds_its_token",
    ),
    nginx(
        "an error page names the app's socket",
        "      <p>$error_detail</p>\n",
        "      <p>$error_detail $upstream_addr</p>\n",
        "test_the_error_page_for_a_stopped_app_reveals_nothing",
    ),
    nginx(
        "the host is what the client wrote",
        "proxy_set_header Host $host;",
        "proxy_set_header Host $http_host;",
        "test_the_host_is_the_one_that_nginx_chose_by",
    ),
    https(
        "gunicorn listens on a port",
        'os.environ.get("GUNICORN_BIND", SOCKET)',
        'os.environ.get("GUNICORN_BIND", "0.0.0.0:8000")',
        "test_gunicorn_listens_on_a_socket_only",
        file="deploy/gunicorn.conf.py",
    ),
    https(
        "each worker opens the socket for itself",
        "umask = 0o117\n",
        "umask = 0o117\nreuse_port = True\n",
        "test_a_killed_master_is_replaced",
    ),
    https(
        "everybody reaches the socket",
        "umask = 0o117",
        "umask = 0o111",
        "test_only_owner_and_group_reach_the_socket",
    ),
    https(
        "gunicorn takes ambiguous headers",
        'header_map = "refuse"',
        'header_map = "dangerous"',
        "test_gunicorn_itself_takes_no_ambiguous_header",
    ),
]
