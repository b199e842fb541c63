"""provider.py ISSUER TOKENS CERTIFICATE: an OpenID Connect provider's discovery document."""

import http.server
import json
import ssl
import sys
from urllib.parse import urlsplit

issuer, tokens, certificate = sys.argv[1:]
ANSWER = json.dumps(
    {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{tokens}/token",
        "jwks_uri": f"{issuer}/keys",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    }
).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)


server = http.server.ThreadingHTTPServer(("127.0.0.77", urlsplit(issuer).port or 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
