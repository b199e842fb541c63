// A certified OpenID Connect provider for the tests and for `make provider`. Never for production: any
// name and password sign in, and everything is kept in memory.
import { appendFileSync, readFileSync } from "node:fs";
import { createServer as createHttps } from "node:https";
import { createServer } from "node:http";
import process from "node:process";
import Provider from "oidc-provider";

const setting = (name, value) => process.env[name] ?? value;
const issuer = setting("ISSUER", "http://localhost:9000");
const service = setting("SERVICE", "http://127.0.0.1:5000,http://localhost:5000").split(",");
const client = {
  client_id: setting("CLIENT_ID", "development"),
  client_secret: setting("CLIENT_SECRET", "the-secret-of-the-development-client"),
  redirect_uris: service.map((origin) => `${origin}/auth/callback`),
  post_logout_redirect_uris: service.map((origin) => `${origin}/`),
  scope: "openid email groups",
};
if (process.env.BACKCHANNEL) {
  client.backchannel_logout_uri = process.env.BACKCHANNEL;
  client.backchannel_logout_session_required = true;
}

// The login "ann staff admins" signs in the user ann, a member of the groups staff and admins.
const findAccount = (_, id) => {
  const [name, ...groups] = id.split(" ");
  const email = name.includes("@") ? name : `${name}@example.com`;
  return { accountId: id, claims: () => ({ sub: id, email, email_verified: true, groups }) };
};

const provider = new Provider(issuer, {
  clients: [client],
  findAccount,
  claims: { email: ["email", "email_verified"], groups: ["groups"], openid: ["sub"] },
  scopes: ["openid", "email", "groups"],
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
  // The service that is told of a sign-out is on this machine, where it would not look otherwise.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  ...(process.env.JWKS && { jwks: JSON.parse(process.env.JWKS) }),
});
provider.on("server_error", (_, error) => console.error(error));
for (const name of ["authorization.error", "grant.error", "backchannel.error", "end_session.error"]) {
  provider.on(name, (_, error) => console.error(name, error.error_description ?? error.message));
}
// A test looks for these tokens in all that the service writes.
if (process.env.ISSUED) {
  provider.on("grant.success", ({ body }) => appendFileSync(process.env.ISSUED, `${JSON.stringify(body)}\n`));
}

const tls = process.env.TLS && {
  key: readFileSync(`${process.env.TLS}/privkey.pem`),
  cert: readFileSync(`${process.env.TLS}/fullchain.pem`),
};
const server = tls ? createHttps(tls, provider.callback()) : createServer(provider.callback());
const { hostname, port } = new URL(issuer);
server.listen(Number(setting("PROVIDER_PORT", port)), setting("ADDRESS", hostname), () => {
  console.log(`${issuer} is up; any name signs in, "ann staff" in the group staff`);
});
