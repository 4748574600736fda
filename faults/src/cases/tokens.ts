import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { JwtIssuer } from '@presence/adapters/jwt';
import { eventually } from '@presence/test-services';
import { JWT_SECRET } from '@presence/test-services/system';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { metric } from '../metric.js';
import type { RunningApi } from '../system.js';
import type { Trial } from '../trial.js';

interface Forgery {
  readonly algorithm?: 'HS256' | 'RS256';
  readonly key?: KeyObject;
  readonly issuer?: string;
  readonly audience?: string;
  /** Milliseconds. */
  readonly lives?: number;
}

const SECRET = createSecretKey(Buffer.from(JWT_SECRET));
const SHORT_LIFE = 2_000;
/** By the contract, on every instance. */
const REVOKED_WITHIN = 1_000;

/** Victims never speak, so that whatever a forged token brings about shows in the reckoning. */
export const FORGED_TOKENS: FaultCase = {
  number: 31,
  fault: 'token: alg none, RS→HS, wrong aud/iss, expired yet cached, revoked',
  did: 'each of them, at every API, as a user and as an admin',
  shape: { workers: 1 },
  run: async (trial) => {
    const plain = [...trial.system.apis];
    await trial.load({ addresses: () => plain.map(({ url }) => url) });
    const [user, admin] = [(await trial.people(1))[0]!, (await trial.people(1, ADMIN))[0]!];
    const forgeries: Record<string, Forgery> = {
      'another secret': { key: createSecretKey(Buffer.alloc(32, 'x')) },
      'another audience': { audience: 'billing' },
      'another issuer': { issuer: 'somebody' },
    };
    for (const api of plain) {
      await requireGood(trial, api, token(user, {}));
      for (const who of [user, admin]) {
        await requireRefused(trial, api, 'alg none', unsigned(token(who, {})), user);
        for (const [what, forgery] of Object.entries(forgeries)) {
          await requireRefused(trial, api, what, token(who, forgery), user);
        }
      }
    }
    await confuseAlgorithms(trial, user, admin);
    await expire(trial, plain[0]!);
    await revoke(trial, plain);
  },
};

const ADMIN = { role: 'admin' };

/** What the API holds is public: whoever signs with that as a secret must not be believed. */
async function confuseAlgorithms(trial: Trial, user: Someone, admin: Someone): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const api = await trial.system.startApi({ settings: { JWT_SECRET: '', JWT_PUBLIC_KEY: pem } });
  await requireGood(trial, api, token(user, { algorithm: 'RS256', key: privateKey }));
  for (const who of [user, admin]) {
    for (const known of [pem, pem.trimEnd()]) {
      const key = createSecretKey(Buffer.from(known));
      await requireRefused(trial, api, 'RS → HS', token(who, { key }), user);
    }
    await requireRefused(trial, api, 'alg none', unsigned(token(who, {})), user);
  }
  await trial.system.end(api);
}

/** It is known to be good, until it is not. */
async function expire(trial: Trial, api: RunningApi): Promise<void> {
  const [who] = await trial.people(1);
  who!.token = token(who!, { lives: SHORT_LIFE });
  const { exp } = claimsOf(who!.token);
  const hits = await metric(api.api.opsUrl, HITS);
  for (let beat = 0; beat < 3; beat++) {
    const answer = await trial.caller.heartbeat(api.url, who!);
    trial.require(answer?.code === 200, `before its end a token is answered ${answer?.code}`);
  }
  trial.require((await metric(api.api.opsUrl, HITS)) > hits, 'the token is not cached');
  await wait(exp * 1_000 - Date.now() + 20);
  await requireRefused(trial, api, 'expired', who!.token, who!);
}

const HITS = 'presence_token_cache_hits_total';

/** One API is told; all of them refuse. */
async function revoke(trial: Trial, apis: readonly RunningApi[]): Promise<void> {
  const [who] = await trial.people(1);
  for (const { url } of apis) await trial.caller.heartbeat(url, who!);
  const logout = await trial.caller.logout(apis[0]!.url, who!);
  trial.require(logout?.code === 200, `a logout is answered ${logout?.code}`);
  const refused = async ({ url }: RunningApi) => (await send(url, '/me/', who!.token)).code === 401;
  for (const api of apis) await eventually(() => refused(api), { within: REVOKED_WITHIN });
  for (const api of apis) await requireRefused(trial, api, 'revoked', who!.token, who!);
}

/** The same request with a good token is answered: else a refusal would prove nothing. */
async function requireGood(trial: Trial, { url }: RunningApi, good: string): Promise<void> {
  const { code } = await send(url, '/me/', good);
  trial.require(code === 200, `a good token is answered ${code}`);
}

/** It speaks for nobody, asks for nothing and sets nothing. */
async function requireRefused(
  trial: Trial,
  { url }: RunningApi,
  what: string,
  bad: string,
  victim: Someone,
): Promise<void> {
  const set = `/admin/users/${victim.userId}/set-online-status/`;
  const answers = [
    await send(url, '/me/', bad),
    await send(url, '/heartbeat/', bad, { status: 'online' }),
    await send(url, set, bad, { status: 'away' }),
    await send(url, '/logout/', bad, {}),
  ];
  for (const { code, challenge } of answers) {
    trial.require(code === 401, `${what}: ${code}`);
    trial.require(challenge.startsWith('Bearer'), `${what}: WWW-Authenticate: ${challenge}`);
  }
}

/** Nobody is behind what is asked: good tokens leave no trace. */
async function send(api: string, path: string, bearer: string, body?: object) {
  const response = await fetch(`${api}/api/users${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(body === undefined
        ? { 'presence-mode': 'passive' }
        : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  return { code: response.status, challenge: response.headers.get('www-authenticate') ?? '' };
}

function token({ userId: id, username, role, sessionId }: Someone, forgery: Forgery): string {
  const { algorithm = 'HS256', key = SECRET, lives = 60_000 } = forgery;
  const { issuer = 'presence', audience = 'presence' } = forgery;
  const claims = { username: 'username', email: 'email', role: 'role', session: 'sid' };
  const settings = { claims, adminRole: 'admin', accessTokenTtl: lives, issuer, audience };
  const signer = new JwtIssuer({ ...settings, signing: { algorithm, key } });
  return signer.issue({ id, username, email: null, role }, sessionId);
}

/** No library makes one: it keeps the claims, and says that nobody has signed them. */
function unsigned(signed: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
  return `${header}.${signed.split('.')[1]}.`;
}

function claimsOf(signed: string): { exp: number } {
  return JSON.parse(Buffer.from(signed.split('.')[1]!, 'base64url').toString());
}

/** Their own row is theirs: it is their own heartbeat that the reckoning finds in it. */
export const FOREIGN_STATUS: FaultCase = {
  number: 32,
  fault: "user A sets B's status",
  did: 'users set each status of others, and their own; so does a service',
  short: true,
  run: async (trial) => {
    const { system, caller } = trial;
    await trial.load();
    const [a, b] = await trial.people(2);
    const [service] = await trial.people(1, { role: 'service' });
    const beat = await caller.heartbeat(system.addresses()[0]!, b!);
    trial.require(beat?.code === 200, `a heartbeat is answered ${beat?.code}`);
    const before = await settled(trial, b!);
    for (const url of system.addresses()) {
      for (const status of ['online', 'away', 'offline']) {
        await requireForbidden(trial, url, a!, b!, status);
        await requireForbidden(trial, url, service!, b!, status);
        await requireForbidden(trial, url, a!, a!, status);
      }
      // To be refused was activity of A: what follows it is what the books have.
      await caller.heartbeat(url, a!);
    }
    await settled(trial, a!);
    const after = await settled(trial, b!);
    trial.require(after === before, `B's row was ${before} and is ${after}`);
    const set = await caller.set(system.addresses()[0]!, await trial.admin(), b!, 'away');
    trial.require(set?.code === 200, `an admin is answered ${set?.code}`);
  },
};

async function requireForbidden(
  trial: Trial,
  api: string,
  { token }: Someone,
  { userId }: Someone,
  status: string,
): Promise<void> {
  const path = `/admin/users/${userId}/set-online-status/`;
  const { code } = await send(api, path, token, { status });
  trial.require(code === 403, `${status} is answered ${code}`);
}

/** The whole row, once it says that its user is online. */
async function settled(trial: Trial, { userId }: Someone): Promise<string> {
  return eventually(async () => {
    const found = await trial.system.database.query<{ online: boolean; row: string }>(
      `SELECT online_status = 'online' AS online, p::text AS row
       FROM user_presence p WHERE user_id = $1`,
      [userId],
    );
    const { online, row } = found[0]!;
    if (!online) throw new Error(`The row of ${userId} is ${row}.`);
    return row;
  });
}
