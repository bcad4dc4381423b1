// An authorization server on loopback, by oidc-provider; tests/servers/oidc_provider.py runs it.
//
// `node server.mjs CLIENTS` takes its clients as JSON, and prints its port. It ends when standard input does.
// Who logs in is who the login form says; the refresh token of a consent is good once, and a second use of it
// ends all that descend from that consent.
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: JSON.parse(process.argv[2]),
    scopes: ['openid', 'email', 'mail', 'other'], // a client's registration says which of them it may ask for
    claims: { openid: ['sub'], email: ['email'] },
    conformIdTokenClaims: false, // so that the ID token names who has consented
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id }) }),
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      revocation: { enabled: true },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    cookies: { keys: ['of this process only'] },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${port}\n`);
});
process.stdin.on('end', () => process.exit()).resume();
