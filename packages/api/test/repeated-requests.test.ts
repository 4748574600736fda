import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { ServingSettings } from '@presence/api';
import type { PresenceReader } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import fc from 'fast-check';
import { pino } from 'pino';
import { createApi } from '../dist/app.js';
import { RepeatedRequests } from '../dist/repeated-requests.js';
import { closeServer, createHttpServer, listen } from '../dist/server.js';
import { token } from './access-token.js';
import { lastingHeaders, send } from './answers.js';
import { type Answer, converse } from './conversation.js';
import { closeAll, type Running, SETTINGS, startWorld } from './running-api.js';
import { World } from './world.js';

const PATH = '/api/users/heartbeat/';
const ORIGIN = 'https://shop.example';
const QUIET = pino({ level: 'info' }, { write: () => {} });
const RUNS = 400;
const LAST = 'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

describe('Requests that repeat', () => {
  let lane: Running;
  let road: Pick<Running, 'world' | 'port'>;
  let closeRoad: () => Promise<void>;
  /** Of two who send heartbeats, and one who only reads. */
  let bearers: string[];
  /** How many requests each server has parsed, by its port. */
  const parsed = new Map<number, number>();
  /** The server's end of the connection that was heard of last. */
  let served: Socket | undefined;
  const onParsed = (message: unknown) => {
    served = (message as { socket: Socket }).socket;
    const { localPort = 0 } = served;
    parsed.set(localPort, (parsed.get(localPort) ?? 0) + 1);
  };

  before(() => subscribe('http.server.request.start', onParsed));
  after(() => unsubscribe('http.server.request.start', onParsed));

  beforeEach(async () => {
    const settings = { corsOrigins: [ORIGIN] };
    lane = await startWorld(settings, ({ reader }) => ({ logger: QUIET, reader: slow(reader) }));
    [road, closeRoad] = await startParsing(settings);
    for (const { world } of [lane, road]) for (const id of [1, 2, 3]) world.add(id);
    const { rows } = lane.world;
    bearers = [1, 2, 3].map((id) => token({ user: rows.get(id)!.user, expiresAt: 4e12 }));
    for (const { port } of [lane, road]) {
      for (const text of bearers) await send(port, 'POST', PATH, { token: text });
    }
    parsed.clear();
  });
  afterEach(async () => {
    await closeAll();
    await closeRoad();
  });

  /** Both answer these bytes alike, one by one. */
  async function expectAlike(chunks: readonly string[]): Promise<Answer[]> {
    return expectAlikeWith(chunks, turn);
  }

  async function expectAlikeWith(
    chunks: readonly string[],
    pause: (at: number) => Promise<unknown>,
  ): Promise<Answer[]> {
    const before = [lane, road].map(({ world }) => world.recorded.length);
    const [mine, theirs] = await Promise.all([
      converse(lane, chunks, pause),
      converse(road, chunks, pause),
    ]);
    expect(mine.map(lasting)).to.deep.equal(theirs.map(lasting));
    const [recorded, expected] = [lane, road].map(({ world }, at) =>
      world.recorded
        .slice(before[at])
        .map(({ type, user, status, sessionId }) => `${type} ${user} ${status} ${sessionId}`)
        .sort(),
    );
    expect(recorded).to.deep.equal(expected);
    return mine;
  }

  it('are parsed once a connection, whoever asks', async () => {
    const [one = '', other = ''] = bearers;
    const chunks = [one, other, one, one, other].map((bearer) => beat(bearer));
    const before = lane.world.recorded.length;
    const answers = await converse(lane, [...chunks, LAST]);
    expect(statuses(answers)).to.deep.equal(Array(6).fill('200'));
    expect(parsed.get(lane.port), 'the first and the last').to.equal(2);
    const events = lane.world.recorded.slice(before);
    expect(events.map(({ user }) => user)).to.deep.equal([1, 2, 1, 1, 2]);
    const metric = 'presence_http_request_duration_seconds';
    const counts = await lane.registry.getSingleMetricAsString(metric);
    expect(counts).to.match(/_count\{method="POST",route="\/api\/users\/heartbeat\/".*\} 8$/m);
    const beats = answers.slice(0, 5);
    const times = beats.map(({ body }) => Date.parse(JSON.parse(body).last_seen));
    expect(times).to.deep.equal(events.map(({ occurredAt }) => occurredAt));
    expect(new Set(beats.map(({ headers }) => headers['x-request-id'])).size).to.equal(5);
    for (const { headers } of beats) {
      expect(Date.parse(headers.date!)).to.be.closeTo(Date.now(), 2_000);
    }
  });

  it('tell the second in which they are answered', async () => {
    const [one = ''] = bearers;
    const again = [beat(one), beat(one), beat(one), LAST];
    const answers = await converse(lane, again, (at) => wait(at === 1 ? 1_100 : 0));
    const [, second, third] = answers.map(({ headers }) => Date.parse(headers.date!));
    expect(third! - second!).to.be.within(1_000, 3_000);
  });

  it('are answered as others are where the token is not good, or its session has ended', async () => {
    const { user } = lane.world.rows.get(1)!;
    const [known = ''] = bearers;
    const [over, muted] = ['over', 'muted'].map((sessionId) => {
      return token({ user, sessionId, expiresAt: 4e12 });
    });
    for (const { world } of [lane, road]) {
      world.endPresence(1, 'muted');
      await world.sessions.end({ userId: 1, sessionId: 'over', at: 0, tokensUntil: 4e12 });
    }
    for (const { port } of [lane, road]) {
      await eventually(async () => {
        expect((await send(port, 'POST', PATH, { token: over! })).status).to.equal(401);
        const silent = await send(port, 'POST', PATH, { token: muted! });
        expect(silent.body.online_status).to.equal('offline');
      });
    }
    const service = token({ subject: 'reporting', role: 'service', expiresAt: 4e12 });
    const expired = token({ user, expiresAt: 1 });
    const strange = [over!, muted!, service, expired, 'none'];
    strange.push(`${known},`, `${known} `, `${known}\r\nPresence-Mode: passive`);
    for (const bearer of strange) {
      const answers = await expectAlike([beat(known), beat(known), beat(bearer), LAST]);
      expect(statuses(answers).slice(0, 2)).to.deep.equal(['200', '200']);
    }
  });

  it('are refused while nothing can be recorded', async () => {
    const [known = ''] = bearers;
    const again = [beat(known), beat(known), beat(known), LAST];
    const answers = await converse(lane, again, async (at) => {
      if (at === 1) lane.world.accepting = false;
    });
    expect(statuses(answers)).to.deep.equal(['200', '200', '503', '200']);
  });

  it('are told apart from what only ends like them', async () => {
    const [known = ''] = bearers;
    const head = withBody(known, 2);
    // What comes second is the end of a body and a request; by itself it is no request.
    for (const first of [`${head}{`, head]) {
      const rest = first === head ? '{}' : '}';
      const chunks = [first, `${rest}${beat(known)}`, `${rest}${beat(known)}`];
      expect(statuses(await expectAlike(chunks))).to.deep.equal(['200', '200', '400']);
    }
    const nowhere = 'POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n';
    const glued = [beat(known) + nowhere, `{}${beat(known)}`, `{}${beat(known)}`];
    const answers = await converse(lane, glued, () => wait(20));
    expect(statuses(answers)).to.deep.equal(['200', '404', '200', '400']);
  });

  it('differ from others in every byte but those of the token', async () => {
    const [known = ''] = bearers;
    const allowed = beat(known, `Origin: ${ORIGIN}\r\n`);
    const other = allowed.replace(ORIGIN, 'https://evil.example');
    const [, , third] = await expectAlike([allowed, allowed, other, LAST]);
    expect(third!.headers).not.to.have.property('access-control-allow-origin');
    const elsewhere = beat(known).replace('/heartbeat/', '/heartbeet/');
    const answers = await expectAlike([beat(known), beat(known), elsewhere, LAST]);
    expect(statuses(answers)).to.deep.equal(['200', '200', '404', '200']);
  });

  it('are no longer looked for where each is another one', async () => {
    const [known = ''] = bearers;
    const each = Array.from({ length: 8 }, (_, at) => beat(known, `X-Number: ${at}\r\n`));
    await converse(lane, [...each.slice(1), beat(known), beat(known), LAST]);
    expect(parsed.get(lane.port)).to.equal(9);
    parsed.clear();
    await converse(lane, [...each, beat(known), beat(known), LAST]);
    expect(parsed.get(lane.port)).to.equal(11);
  });

  it('are parsed while answers wait to be taken, and answered in their order', async () => {
    const [one = '', other = ''] = bearers;
    const chunks = [one, one, other, one].map((bearer) => beat(bearer));
    const before = lane.world.recorded.length;
    const answers = await converse(lane, [...chunks, LAST], async (at) => {
      if (at === 1) served!.cork();
      if (at === 3) served!.uncork();
    });
    expect(parsed.get(lane.port), 'the first and the last two').to.equal(3);
    const times = answers.slice(0, 4).map(({ body }) => Date.parse(JSON.parse(body).last_seen));
    const events = lane.world.recorded.slice(before);
    expect(events.map(({ occurredAt }) => occurredAt)).to.deep.equal(times);
  });

  it('wait for what was asked before them', async () => {
    const [known = '', , reader] = bearers;
    const me = `GET /api/users/me/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${reader}\r\n\r\n`;
    await expectAlike([me, beat(known), beat(known), beat(known), LAST]);
  });

  it('repeat after requests with a body, too', async () => {
    const [known = ''] = bearers;
    const away = '{"status":"away"}';
    const head = withBody(known, away.length);
    for (const body of [[head + away], [head, away], [head, away.slice(0, 5), away.slice(5)]]) {
      parsed.clear();
      await converse(lane, [beat(known), ...body, beat(known), beat(known), LAST], () => wait(5));
      expect(parsed.get(lane.port)).to.equal(4);
    }
  });

  it('are told apart from a body that looks like them', async () => {
    const [known = ''] = bearers;
    const inner = beat(known);
    const head = withBody(known, inner.length);
    const answers = await expectAlike([inner, inner, head, inner, inner, LAST]);
    expect(statuses(answers)).to.deep.equal(['200', '200', '400', '200', '200']);
  });

  it('have only as many header fields as the parser tells of', async () => {
    const [known = ''] = bearers;
    const fields = 'a:b\r\n'.repeat(998);
    const start = beat(known, fields).length + 'Content-Length: 1234\r\n'.length;
    const long = beat(known, `${fields}Content-Length: ${start}\r\n`);
    expect(long).to.have.lengthOf(start);
    await expectAlike([long, long, beat(known), LAST]);
  });

  it('have the id that they were given', async () => {
    const [known = ''] = bearers;
    const again = beat(known, 'X-Request-Id: a-1\r\n');
    const answers = await expectAlike([again, again, again, LAST]);
    expect(answers[2]!.headers['x-request-id']).to.equal('a-1');
  });

  it('have their token in one place', async () => {
    const [one = '', other = ''] = bearers;
    const twice = (first: string, second: string) =>
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nX-Again: ${first}\r\nAuthorization: Bearer ${second}\r\n\r\n`;
    const before = [lane, road].map(({ world }) => world.recorded.length);
    await expectAlike([twice(one, one), twice(one, one), twice(other, one), LAST]);
    [lane, road].forEach(({ world }, at) => {
      const users = world.recorded.slice(before[at]).map(({ user }) => user);
      expect(users).to.deep.equal([1, 1, 1]);
    });
  });

  it('end with HTTP', async () => {
    const [known = ''] = bearers;
    const tunnel = 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n';
    const answers = await expectAlike([beat(known), beat(known), tunnel, beat(known)]);
    expect(statuses(answers)).to.deep.equal(['200', '200', '400']);
    const last = beat(known, 'Connection: close\r\n');
    expect(statuses(await expectAlike([last, last]))).to.deep.equal(['200']);
    const old = beat(known, 'Connection: keep-alive\r\n').replace('HTTP/1.1', 'HTTP/1.0');
    await expectAlike([old, old, old, LAST]);
  });

  it('are answered where the server is told to end in the same turn', async () => {
    const { api, port, world } = lane;
    const client = connect(port, '127.0.0.1');
    let got = '';
    client.on('data', (chunk) => {
      got += chunk;
    });
    client.write(beat(bearers[0]!));
    await eventually(() => got.endsWith('}'));
    const record = world.publisher.record.bind(world.publisher);
    world.publisher.record = (event) => {
      record(event);
      queueMicrotask(() => void api.close(1_000));
    };
    parsed.clear();
    client.write(beat(bearers[0]!));
    await once(client, 'close');
    expect(parsed.size).to.equal(0);
    expect(got.match(/200 OK/g)).to.have.length(2);
  });

  it('are nothing that a connection brings once it is no longer HTTP', async () => {
    const server = createServer((_request, response) => response.end());
    let connections = 0;
    server.on('connection', () => connections++);
    server.on('upgrade', (_request, socket) => {
      socket.on('data', (chunk) => socket.end(`${chunk} you said`));
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    });
    new RepeatedRequests().attach(server);
    const { port } = await listen(server, 0, '127.0.0.1');
    const client = connect(port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n');
    await once(client, 'data');
    // It is given the parser of the other one.
    const next = connect(port, '127.0.0.1');
    next.write('GET /next HTTP/1.1\r\nHo');
    await eventually(() => expect(connections).to.equal(2));
    client.write('nonsense');
    const [told] = await once(client, 'data');
    expect(`${told}`).to.equal('nonsense you said');
    next.write('st: x\r\n\r\n');
    const [answer] = await once(next, 'data');
    expect(`${answer}`).to.match(/^HTTP\/1.1 200 /);
    next.destroy();
    client.destroy();
    server.close();
  });

  it('are parsed where a line ends by half', async () => {
    const [known = ''] = bearers;
    const half = beat(known, 'X-Half: a\nX-Other: b\r\n');
    await expectAlike([half, half, LAST]);
  });

  it('are answered as if each were parsed, however the bytes are cut', async () => {
    const plain = bearers.slice(0, 2).map((bearer) => beat(bearer));
    const stream = fc.array(
      fc.record({
        text: fc.oneof(
          { weight: 10, arbitrary: fc.constantFrom(...plain) },
          { weight: 3, arbitrary: fc.constantFrom(...others(bearers)) },
        ),
        cut: fc.oneof(
          { weight: 12, arbitrary: fc.constant('nowhere' as const) },
          { weight: 1, arbitrary: fc.constant('after its head' as const) },
          { weight: 2, arbitrary: fc.nat(1_000) },
        ),
        /** Whether it comes at once with what follows. */
        glued: fc.oneof(
          { weight: 12, arbitrary: fc.constant(false) },
          { weight: 1, arbitrary: fc.constant(true) },
        ),
        waits: fc.boolean(),
      }),
      { minLength: 1, maxLength: 20 },
    );
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(stream, async (pieces) => {
        const chunks = chunksOf(pieces);
        asked += pieces.length + 1;
        const pause = (at: number) =>
          pieces[at % pieces.length]!.waits ? wait(3) : Promise.resolve();
        await expectAlikeWith([...chunks, LAST], pause);
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: 50_000, markInterruptAsFailure: true },
    );
    expect(parsed.get(road.port)).to.equal(asked);
    expect(parsed.get(lane.port), 'many were repetitions').to.be.below(0.9 * asked);
  }).timeout(60_000);
});

function statuses(answers: readonly Answer[]): string[] {
  return answers.map(({ status }) => status);
}

/** One line of `extra` is one header field. */
function beat(bearer: string, extra = ''): string {
  return `POST ${PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer}\r\n${extra}\r\n`;
}

function withBody(bearer: string, length: number): string {
  return beat(bearer, `Content-Type: application/json\r\nContent-Length: ${length}\r\n`);
}

/** Requests that are no plain heartbeats, or not quite; some hold one in their body. */
function others(bearers: readonly string[]): string[] {
  const [one = '', other = '', reader] = bearers;
  const inner = beat(one);
  const json = 'Content-Type: application/json\r\n';
  const chunked = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
  return [
    beat(one, `Origin: ${ORIGIN}\r\n`),
    beat(other, 'Origin: null\r\nX-Request-Id: a-1\r\n'),
    beat(other, 'Content-Length: 0\r\n'),
    // Who is told their status is never away, or it would matter just when they are told.
    beat(one, 'Presence-Mode: passive\r\n'),
    `\r\n${beat(one)}`,
    `${withBody(other, 17)}{"status":"away"}`,
    withBody(one, inner.length) + inner,
    beat(one, `${json}Transfer-Encoding: chunked\r\n`) + chunked,
    `GET /api/users/me/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${reader}\r\n\r\n`,
    'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n',
  ];
}

interface Piece {
  readonly text: string;
  /** Where it is cut in two. */
  readonly cut: number | 'nowhere' | 'after its head';
  readonly glued: boolean;
}

function chunksOf(pieces: readonly Piece[]): string[] {
  const chunks: string[] = [];
  let open = '';
  for (const { text, cut, glued } of pieces) {
    const at = cutIn(text, cut);
    if (at > 0) chunks.push(open + text.slice(0, at));
    open = at > 0 ? text.slice(at) : open + text;
    if (!glued) {
      chunks.push(open);
      open = '';
    }
  }
  return [...chunks, open].filter((chunk) => chunk !== '');
}

function cutIn(text: string, cut: Piece['cut']): number {
  if (cut === 'nowhere') return 0;
  return cut === 'after its head' ? text.indexOf('\r\n\r\n', 2) + 4 : cut % text.length;
}

/** An API whose connections Node's parser has to itself, and whose heartbeats go the general road. */
async function startParsing(
  change: Partial<ServingSettings>,
): Promise<[Pick<Running, 'world' | 'port'>, () => Promise<void>]> {
  const world = new World();
  const { publisher, users, sessions, verifier, issuer, hasher, limiter, now } = world;
  const ports = { publisher, users, sessions, verifier, issuer, hasher, limiter, now };
  // Where each heartbeat is logged, the lane takes none.
  const logger = pino({ level: 'debug' }, { write: () => {} });
  const settings = { ...SETTINGS, ...change };
  const { listener, watch } = createApi({ ...ports, reader: slow(world.reader), logger }, settings);
  const server = createHttpServer(settings, listener);
  const { port } = await listen(server, 0, '127.0.0.1');
  void watch.start();
  const close = async () => {
    await closeServer(server, 500);
    watch.stop();
  };
  return [{ world, port }, close];
}

/** Without what differs between any two answers. */
function lasting({ status, headers, body }: Answer): unknown {
  const moment = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
  return {
    status,
    dated: headers.date !== undefined,
    headers: lastingHeaders(headers),
    body: body.replace(moment, 'moment'),
  };
}

/** Each of its answers takes a moment, in which more requests come. */
function slow(reader: PresenceReader): PresenceReader {
  return new Proxy(reader, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return async (...args: unknown[]) => {
        await wait(5);
        return Reflect.apply(method, target, args);
      };
    },
  });
}
