import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import fc from 'fast-check';
import Koa from 'koa';
import { pino } from 'pino';
import { token } from './access-token.js';
import { lastingHeaders, send } from './answers.js';
import { closeAll, type Running, startWorld } from './running-api.js';

const PATH = '/api/users/heartbeat/';
const ORIGIN = 'https://shop.example';
const QUIET = pino({ level: 'info' }, { write: () => {} });
const RUNS = 500;

/** Requests of which some are plain heartbeats, and the others almost. */
const HEADERS = fc.record(
  {
    authorization: fc.constantFrom(
      ...['known', 'fresh', 'service', 'ended', 'over', 'muted'].map((who) => `Bearer ${who}`),
      ...['Basic known', 'Bearer', 'bearer  known'],
    ),
    origin: fc.constantFrom(ORIGIN, 'https://other.example', 'null', ''),
    'presence-mode': fc.constantFrom('passive', 'active'),
    'x-request-id': fc.constantFrom('a-1', 'not sane!', 'x'.repeat(65)),
    'content-length': fc.constantFrom('0'),
    'content-type': fc.constantFrom('application/json', 'text/plain'),
  },
  { requiredKeys: [] },
);
const ANY = fc.record({
  method: fc.constantFrom('POST', 'POST', 'POST', 'GET', 'OPTIONS'),
  path: fc.constantFrom(PATH, PATH.slice(0, -1), `${PATH}?a=1`, `/${PATH}`, PATH.toUpperCase()),
  headers: HEADERS,
  body: fc.option(fc.constantFrom('{"status":"away"}', '{}', '{'), { nil: undefined, freq: 5 }),
});

const PLAIN = fc.record({
  method: fc.constant('POST'),
  path: fc.constantFrom(PATH, PATH.slice(0, -1)),
  headers: HEADERS.map(({ 'presence-mode': _, ...headers }) => {
    return { ...headers, authorization: 'Bearer known' };
  }),
  body: fc.constant(undefined),
});
const REQUEST = fc.oneof(ANY, PLAIN);

describe('The lane of plain heartbeats', () => {
  let lane: Running;
  let road: Running;
  let koaAnswers = 0;
  const { handleRequest } = Koa.prototype as unknown as { handleRequest: () => unknown };
  const prototype = Koa.prototype as unknown as { handleRequest: (...args: never[]) => unknown };

  before(() => {
    prototype.handleRequest = function (this: unknown, ...args: never[]) {
      koaAnswers++;
      return Reflect.apply(handleRequest, this, args);
    };
  });
  after(() => {
    prototype.handleRequest = handleRequest;
  });

  beforeEach(async () => {
    const settings = { corsOrigins: [ORIGIN] };
    lane = await startWorld(settings, () => ({ logger: QUIET }));
    // Where each heartbeat is logged, all of them go the general road.
    road = await startWorld(settings);
    for (const { world } of [lane, road]) for (const id of [1, 2]) world.add(id);
    koaAnswers = 0;
  });
  afterEach(closeAll);

  const known = () => token({ user: lane.world.rows.get(1)!.user, expiresAt: 4e12 });

  function ask(api: Running, headers: Record<string, string>, path = PATH) {
    return send(api.port, 'POST', path, { headers });
  }

  it('takes them past the framework once their user is known', async () => {
    const headers = { authorization: `Bearer ${known()}`, 'content-length': '0' };
    await ask(lane, headers);
    expect(koaAnswers).to.equal(1);
    for (const path of [PATH, PATH.slice(0, -1)]) {
      expect((await ask(lane, headers, path)).status).to.equal(200);
    }
    expect((await ask(lane, { ...headers, origin: ORIGIN })).status).to.equal(200);
    expect(koaAnswers).to.equal(1);
    expect(lane.world.recorded).to.have.length(4);
    const counts = await lane.registry.getSingleMetricAsString(
      'presence_http_request_duration_seconds',
    );
    expect(counts).to.match(/_count\{method="POST",route="\/api\/users\/heartbeat\/".*\} 4$/m);
  });

  it('leaves them to the general road while their user is still looked up', async () => {
    lane.world.databaseSilent = true;
    const new77 = token({ subject: '77', username: 'seven', expiresAt: 4e12 });
    const headers = { authorization: `Bearer ${new77}`, 'content-length': '0' };
    for (let turn = 1; turn <= 2; turn++) {
      expect((await ask(lane, headers)).status).to.equal(200);
      expect(koaAnswers).to.equal(turn);
    }
    lane.world.databaseSilent = false;
    const { recorded } = lane.world;
    await eventually(() => recorded.length === 4);
    expect(lane.world.shown(77).lastSeen).to.equal(recorded[1]!.occurredAt);
  });

  it('leaves them to the general road where that answers otherwise, or logs them', async () => {
    const headers = { authorization: `Bearer ${known()}`, 'content-length': '0' };
    await ask(lane, headers);
    await ask(road, headers);
    koaAnswers = 0;
    await ask(road, headers);
    expect(koaAnswers, 'logged').to.equal(1);
    lane.world.accepting = false;
    expect((await ask(lane, headers)).status).to.equal(503);
    expect(koaAnswers).to.equal(2);
  });

  it('answers as the general road does, and records the same', async () => {
    const roads = [lane, road];
    const tokens = tokensOf(lane, known());
    for (const { world } of roads) {
      world.endPresence(2, 'muted');
      const [at, tokensUntil] = [Date.now(), 4e12];
      await world.sessions.end({ userId: 2, sessionId: 'over', at, tokensUntil });
    }
    for (const api of roads) await knowsWhoEnded(api, tokens);
    koaAnswers = 0;
    await fc.assert(
      fc.asyncProperty(REQUEST, async ({ method, path, headers, body }) => {
        const given: Record<string, string> = {
          ...headers,
          ...spelled(headers.authorization, tokens),
        };
        if (body !== undefined) given['content-length'] = String(body.length);
        const call = { headers: given, ...(body !== undefined && { body }) };
        const before = roads.map(({ world }) => world.recorded.length);
        const [one, other] = await Promise.all(
          roads.map(({ port }) => send(port, method, path, call)),
        );
        expect(one!.status).to.equal(other!.status);
        expect(lastingHeaders(one!.headers)).to.deep.equal(lastingHeaders(other!.headers));
        expect({ ...one!.body, last_seen: 0 }).to.deep.equal({ ...other!.body, last_seen: 0 });
        const [mine, theirs] = roads.map(({ world }, at) =>
          world.recorded.slice(before[at]).map((event) => ({ ...event, occurredAt: 0 })),
        );
        expect(mine).to.deep.equal(theirs);
      }),
      { numRuns: RUNS },
    );
    expect(koaAnswers, 'many went the lane').to.be.within(RUNS, 1.8 * RUNS);
  });
});

/** Each process learns of it by itself. */
async function knowsWhoEnded(api: Running, tokens: Record<string, string>): Promise<void> {
  const { over, muted } = tokens;
  const beat = (bearer: string | undefined) =>
    send(api.port, 'POST', PATH, { headers: { authorization: `Bearer ${bearer}` } });
  await eventually(async () => {
    const [refused, silent] = [await beat(over), await beat(muted)];
    return refused.status === 401 && silent.body.online_status === 'offline';
  });
}

/** Texts of tokens by who bears them. */
function tokensOf(api: Running, known: string): Record<string, string> {
  const user = api.world.rows.get(2)!.user;
  const expiresAt = 4e12;
  return {
    known,
    fresh: token({ subject: '9', username: 'nine', expiresAt }),
    service: token({ subject: 'reporting', role: 'service', expiresAt }),
    ended: token({ user, sessionId: 'gone', expiresAt: 1 }),
    over: token({ user, sessionId: 'over', expiresAt }),
    muted: token({ user, sessionId: 'muted', expiresAt }),
  };
}

function spelled(
  authorization: string | undefined,
  tokens: Record<string, string>,
): Record<string, string> {
  if (authorization === undefined) return {};
  const text = authorization.replace(/\w+$/, (who) => tokens[who] ?? who);
  return { authorization: text };
}
