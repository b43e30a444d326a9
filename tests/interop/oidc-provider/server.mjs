// Runs oidc-provider for tests/interop. The only argument is JSON: {"clients": [...], "access_token_ttl": seconds}, and
// where people sign in here for an API, {"api": {"audience": "...", "claims": {...}}}: what all tokens say beside who.
// Listens on a free port of this machine, and says on standard output which issuer it is.

import { createServer } from "node:http";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { Provider } from "oidc-provider";

const { clients, access_token_ttl: accessTokenTtl, api } = JSON.parse(process.argv[2]);

// One key for each kind of signature.
const keys = [
  ["rsa", { modulusLength: 2048 }],
  ["ec", { namedCurve: "P-256" }],
  ["ec", { namedCurve: "P-384" }],
  ["ed25519", {}],
].map(([kind, options]) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }), use: "sig" }));

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    scopes: ["openid", "offline_access", "api:read"],
    // Whoever signs in exists.
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...api?.claims }) }),
    jwks: { keys },
    claims: { openid: ["sub", ...Object.keys(api?.claims ?? {})] },
    // In ID tokens too, and not only for those who ask for more.
    conformIdTokenClaims: false,
    extraTokenClaims: () => api?.claims,
    pkce: { required: () => true },
    // Every refresh token works once; one that is used again takes its grant along.
    rotateRefreshToken: true,
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Access tokens for the API are JWTs, signed as the last word of the resource says.
        getResourceServerInfo: (_context, resource) => ({
          scope: "api:read",
          audience: api.audience,
          accessTokenFormat: "jwt",
          accessTokenTTL: 600,
          jwt: { sign: { alg: resource.split("/").pop() } },
        }),
      },
    },
    ttl: {
      AccessToken: accessTokenTtl,
      ClientCredentials: accessTokenTtl,
      AuthorizationCode: 60,
      Grant: 3600,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 3600,
    },
  });
  // On standard error, where the test shows it when it fails. The messages hold no tokens.
  for (const event of ["authorization.error", "grant.error", "revocation.error", "server_error"]) {
    provider.on(event, (_context, error) => console.error(`${event}: ${error.message} ${error.error_detail ?? ""}`));
  }
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});

// The test that started it has ended, however that came about.
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
