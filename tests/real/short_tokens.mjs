// oauth2-mock-server with tokens that are good for a few seconds only; its command line knows no such thing.
// argv: the directory of node_modules, the port, the seconds.
import { randomUUID, webcrypto } from 'node:crypto';
import { pathToFileURL } from 'node:url';

// Debian's Node has it, but not as a global.
globalThis.crypto ??= webcrypto;
const [modules, port, seconds] = process.argv.slice(2);
const library = await import(pathToFileURL(`${modules}/oauth2-mock-server/dist/index.mjs`).href);
const server = new library.OAuth2Server();
await server.issuer.keys.generate('RS256');
server.service.on(library.Events.BeforeTokenSigning, (token) => {
  token.payload.exp = token.payload.iat + Number(seconds);
  // Else two tokens of one second are the same text.
  token.payload.jti = randomUUID();
});
server.service.on(library.Events.BeforeResponse, (response) => {
  response.body.expires_in = Number(seconds);
});
await server.start(Number(port), '127.0.0.1');
