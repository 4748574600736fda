import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JwtVerifier, VerifierSettings } from '@presence/adapters/jwt';
import { Unavailable } from '@presence/domain';
import { expect } from 'chai';
import {
  CLAIMS,
  type Claims,
  expectRefused,
  NOW,
  refusal,
  SECONDS,
  SECRET,
  sign,
  verifier,
} from './jwt-tokens.js';

describe('A token verifier with a published key set', () => {
  const idp = 'https://idp.example.com/';
  const first = pair('first');
  const second = pair('second');
  let published: Claims[] = [];
  let status = 200;
  let fetches = 0;
  let server: Server;
  let jwksUrl: string;
  let now = NOW;

  before((done) => {
    server = createServer((_, response) => {
      fetches++;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: published }));
    });
    server.listen(0, '127.0.0.1', () => {
      jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
      done();
    });
  });

  beforeEach(() => {
    published = [first.jwk];
    status = 200;
    fetches = 0;
    now = NOW;
  });

  after((done) => {
    server.closeAllConnections();
    server.close(done);
  });

  function trusting(settings: Partial<VerifierSettings> = {}): JwtVerifier {
    const foreign = { secret: undefined, issuers: [idp], algorithms: ['RS256', 'ES256'] } as const;
    return verifier({ ...foreign, jwksUrl, ...settings }, () => now);
  }

  function tokenOf({ kid, privateKey }: ReturnType<typeof pair>, claims: Claims = {}): string {
    const payload = { ...CLAIMS, iss: idp, jti: randomUUID(), ...claims };
    return sign({ ...payload, exp: now / 1_000 + 900 }, privateKey, {
      algorithm: 'RS256',
      keyid: kid,
    });
  }

  it('fetches the set once for any number of requests', async () => {
    const by = trusting();
    await Promise.all(Array.from({ length: 20 }, () => by.verify(tokenOf(first))));
    expect(fetches).to.equal(1);
    expect(by.verify(tokenOf(first))).not.to.be.instanceOf(Promise);
  });

  it('follows a rotation, asking at most every 30 s whatever key is named', async () => {
    const by = trusting();
    await by.verify(tokenOf(first));
    published = [second.jwk, first.jwk];
    await expectRefused(tokenOf(second), by);
    await expectRefused(tokenOf(pair('unknown')), by);
    expect(fetches).to.equal(1);
    now += 30_000;
    await by.verify(tokenOf(second));
    await expectRefused(tokenOf(pair('unknown')), by);
    expect(fetches).to.equal(2);
  });

  it('keeps the last good set while the endpoint fails', async () => {
    const by = trusting();
    await by.verify(tokenOf(first));
    for (const failure of [() => (status = 500), () => (published = [])]) {
      failure();
      now += 30_000;
      await expectRefused(tokenOf(second), by);
      await by.verify(tokenOf(first));
    }
    expect(fetches).to.equal(3);
  });

  it('is unavailable until there has been a set, and tries again a second later', async () => {
    const by = trusting();
    status = 503;
    const error = await refusal(() => by.verify(tokenOf(first)));
    expect(error).to.be.instanceOf(Unavailable).with.property('what', 'keys');
    status = 200;
    expect(await refusal(() => by.verify(tokenOf(first)))).to.be.instanceOf(Unavailable);
    now += 1_000;
    await by.verify(tokenOf(first));
    expect(fetches).to.equal(2);
  });

  it('forgets a withdrawn key within minutes, and the tokens that it verified', async () => {
    const by = trusting();
    const token = tokenOf(first, { exp: SECONDS + 9_000 });
    await by.verify(token);
    published = [second.jwk];
    now += 600_001;
    await by.verify(tokenOf(first));
    await by.verify(tokenOf(second));
    await expectRefused(token, by);
  });

  it('takes a token without a key id only where the set has one key', async () => {
    const token = sign({ ...CLAIMS, iss: idp }, first.privateKey, { algorithm: 'RS256' });
    await trusting().verify(token);
    published = [first.jwk, second.jwk];
    await expectRefused(token, trusting());
  });

  it('uses a key only for the algorithm that it is published for', async () => {
    const token = sign({ ...CLAIMS, iss: idp }, first.privateKey, {
      algorithm: 'PS256',
      keyid: 'first',
    });
    await expectRefused(token, trusting({ algorithms: ['RS256', 'PS256'] }));
    published = [{ ...first.jwk, alg: undefined }];
    await trusting({ algorithms: ['RS256', 'PS256'] }).verify(token);
  });

  it('refuses keys that are published for encryption', async () => {
    published = [{ ...first.jwk, use: 'enc' }, second.jwk];
    await expectRefused(tokenOf(first), trusting());
  });

  it('takes our own HS256 tokens beside it, and nobody else may speak as us', async () => {
    const by = trusting({
      secret: SECRET,
      issuers: ['presence', idp],
      algorithms: ['HS256', 'RS256'],
    });
    expect(by.verify(sign(CLAIMS))).to.have.nested.property('identity.issuer', 'presence');
    expect(await by.verify(tokenOf(first))).to.have.nested.property('identity.issuer', idp);
    await expectRefused(tokenOf(first, { iss: 'presence' }), by);
  });

  it('takes tokens of a configured public key beside it', async () => {
    const own = pair('own');
    const by = trusting({ publicKey: own.publicKey, issuers: ['presence', idp] });
    const claims = { iss: 'presence' };
    const options = { algorithm: 'RS256' } as const;
    await by.verify(sign({ ...CLAIMS, ...claims }, own.privateKey, options));
    await by.verify(tokenOf(own, claims));
    await by.verify(tokenOf(first));
  });
});

function pair(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk: Claims = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
  return { kid, publicKey, privateKey, jwk };
}
