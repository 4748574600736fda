import {
  decode,
  type EncodedBatch,
  encodeBatches,
  encodeEvent,
  type IncomingMessage,
  MAX_BODY_BYTES,
} from '@presence/adapters/wire';
import type { ReportedEvent } from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { arbitraryEvent } from './wire-arbitraries.js';

const NOW = Date.parse('2024-01-15T10:30:00.000Z');
const RULES = { maxClockSkew: 15_000 };

function read(
  routingKey: string,
  body: unknown,
  more: Partial<Omit<IncomingMessage, 'body' | 'routingKey'>> = {},
) {
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return decode({ routingKey, body: bytes, receivedAt: NOW, ...more }, RULES);
}

function reasons(routingKey: string, body: unknown): string[] {
  return read(routingKey, body).refusals.map(({ reason }) => reason);
}

const HEARTBEAT = { type: 'heartbeat', user_id: 1, occurred_at: '2024-01-15T10:30:00.000Z' };
const LOGIN = { ...HEARTBEAT, type: 'login' };

describe('The decoder of messages', () => {
  it('reads an event as the domain knows it', () => {
    const json = { ...HEARTBEAT, status: 'away', session_id: 's', source: 'billing', extra: [1] };
    const { events, refusals, progress, urgent } = read('presence.heartbeat', json);
    const event = { type: 'heartbeat', user: 1, occurredAt: NOW, status: 'away', sessionId: 's' };
    expect(events).to.deep.equal([event]);
    expect({ refusals, progress, urgent }).to.deep.equal({
      refusals: [],
      progress: null,
      urgent: false,
    });
  });

  it('knows a user by issuer and subject, and keeps a username', () => {
    const who = { issuer: 'https://issuer.example', subject: 'auth0|1' };
    const { events } = read('presence.activity', { type: 'activity', ...who, username: 'ahmad' });
    expect(events[0]).to.deep.include({ user: who, username: 'ahmad', status: 'online' });
  });

  it('takes the time of the message, else of receipt, where an event may go without', () => {
    const json = { type: 'heartbeat', user_id: 1 };
    expect(read('presence.heartbeat', json).events[0]?.occurredAt).to.equal(NOW);
    const timestamp = NOW - 4_000;
    expect(read('presence.heartbeat', json, { timestamp }).events[0]?.occurredAt).to.equal(
      timestamp,
    );
    for (const type of ['login', 'logout', 'status_set']) {
      expect(reasons(`presence.${type}`, { ...json, type, status: 'away' })).to.deep.equal([
        'invalid_event',
      ]);
    }
  });

  it('takes any offset and fraction, and cuts to milliseconds', () => {
    const moments = {
      '2024-01-15T10:30:00Z': 0,
      '2024-01-15t10:29:59.9999999z': -1,
      '2024-01-15T12:00:00.0015+01:30': 1,
      '2024-01-15T00:30:00.5-10:00': 500,
      '2024-01-15T10:30:00-00:00': 0,
    };
    for (const [occurred_at, after] of Object.entries(moments)) {
      const { events } = read('presence.heartbeat', { ...HEARTBEAT, occurred_at });
      expect(events[0]?.occurredAt, occurred_at).to.equal(NOW + after);
    }
  });

  for (const bad of [
    '2024-01-15T10:30:60Z',
    '2016-12-31T23:59:60Z',
    '2023-02-29T00:00:00Z',
    '2024-04-31T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-01-15T24:00:00Z',
    '2024-01-15T10:30:00',
    '2024-01-15 10:30:00Z',
    '2024-01-15T10:30Z',
    '2024-01-15T10:30:00.Z',
    '2024-01-15T10:30:00+24:00',
    '2024-01-15T10:30:00Z\n',
    '+002024-01-15T10:30:00Z',
    '',
    1_705_314_600_000,
    null,
  ]) {
    it(`refuses the time ${JSON.stringify(bad)}`, () => {
      expect(reasons('presence.heartbeat', { ...HEARTBEAT, occurred_at: bad })).to.deep.equal([
        'invalid_event',
      ]);
    });
  }

  it('takes the leap days that there are', () => {
    for (const occurred_at of ['2000-02-29T00:00:00Z', '2020-02-29T23:59:59Z']) {
      expect(reasons('presence.heartbeat', { ...HEARTBEAT, occurred_at })).to.deep.equal([]);
    }
  });

  for (const [what, fields] of Object.entries({
    'an unknown type': { type: 'hello' },
    'no type': { type: undefined },
    'a type that every object has': { type: 'constructor' },
    'an unknown status': { status: 'busy' },
    'a heartbeat that says offline': { status: 'offline' },
    'a status that is null': { status: null },
    'no user': { user_id: undefined },
    'a user id of 0': { user_id: 0 },
    'a user id below 0': { user_id: -1 },
    'a fraction of a user': { user_id: 1.5 },
    'a user id beyond 2^53 − 1': { user_id: 2 ** 53 },
    'a user id in words': { user_id: '1' },
    'an issuer without a subject': { user_id: undefined, issuer: 'i' },
    'an empty subject': { user_id: undefined, issuer: 'i', subject: '' },
    'a bad subject beside a good id': { subject: 5 },
    'a NUL in a session id': { session_id: 'a\u0000b' },
    'half a surrogate pair in a session id': { session_id: '\ud800' },
    'an empty session id': { session_id: '' },
    'a session id of 256 characters': { session_id: 'x'.repeat(256) },
    'a username that is no text': { username: {} },
    'a source with a NUL': { source: '\u0000' },
  })) {
    it(`refuses ${what}`, () => {
      const body = { ...HEARTBEAT, ...fields };
      expect(reasons('presence.heartbeat', body)).to.deep.equal(['invalid_event']);
    });
  }

  it('counts characters, not UTF-16 units', () => {
    const body = { ...HEARTBEAT, session_id: '😀'.repeat(255) };
    expect(reasons('presence.heartbeat', body)).to.deep.equal([]);
  });

  it('needs a status of a status_set', () => {
    expect(reasons('presence.status_set', { ...HEARTBEAT, type: 'status_set' })).to.deep.equal([
      'invalid_event',
    ]);
  });

  for (const [what, body] of Object.entries({
    'no JSON': '{"type":',
    'nothing at all': '',
    NaN: '{"type":"heartbeat","user_id":NaN}',
    'bytes that are no UTF-8': Buffer.from([0x22, 0xff, 0x22]),
  })) {
    it(`refuses ${what} as invalid_json`, () => {
      const { refusals } = read('presence.heartbeat', body);
      expect(refusals).to.deep.equal([{ reason: 'invalid_json', body: Buffer.from(body) }]);
    });
  }

  for (const body of ['null', '1', '"heartbeat"', 'true', '{}']) {
    it(`refuses the JSON ${body} as invalid_event`, () => {
      expect(reasons('presence.heartbeat', body)).to.deep.equal(['invalid_event']);
    });
  }

  it('takes 256 KiB and refuses a byte more', () => {
    const json = JSON.stringify(HEARTBEAT);
    const most = json.padEnd(MAX_BODY_BYTES);
    expect(reasons('presence.heartbeat', most)).to.deep.equal([]);
    expect(reasons('presence.heartbeat', `${most} `)).to.deep.equal(['too_large']);
  });

  it('takes 1,000 events and refuses one more', () => {
    const thousand = Array.from({ length: 1_000 }, () => HEARTBEAT);
    expect(read('presence.batch', thousand).events).to.have.length(1_000);
    expect(reasons('presence.batch', [...thousand, HEARTBEAT])).to.deep.equal(['too_many']);
    expect(reasons('presence.logout', [...thousand, HEARTBEAT])).to.deep.equal([
      'routing_key_mismatch',
    ]);
  });

  it('takes an empty batch', () => {
    expect(read('presence.batch', []).refusals).to.deep.equal([]);
  });

  it('refuses an event under the routing key of another', () => {
    const body = { ...HEARTBEAT, type: 'status_set', status: 'online' };
    for (const key of ['presence.heartbeat', 'presence.batch', 'presence', 'presence.x', '']) {
      expect(reasons(key, body), key).to.deep.equal(['routing_key_mismatch']);
    }
  });

  it('takes an array under presence.batch alone, and no transition in one', () => {
    expect(reasons('presence.heartbeat', [HEARTBEAT])).to.deep.equal(['routing_key_mismatch']);
    expect(reasons('presence.heartbeat', [])).to.deep.equal(['routing_key_mismatch']);
    const { events, refusals } = read('presence.batch', [HEARTBEAT, LOGIN, [HEARTBEAT]]);
    expect(events).to.have.length(1);
    expect(refusals.map(({ reason }) => reason)).to.deep.equal([
      'routing_key_mismatch',
      'invalid_event',
    ]);
  });

  it('stamps what says no time with its receipt, and refuses by the latest clock', () => {
    const receipt = { receivedAt: NOW, latest: NOW + 60_000 };
    const undated = { type: 'heartbeat', user_id: 1 };
    expect(read('presence.heartbeat', undated, receipt).events[0]?.occurredAt).to.equal(NOW);
    const at = (after: number) => ({
      ...undated,
      occurred_at: new Date(NOW + after).toISOString(),
    });
    expect(read('presence.heartbeat', at(75_000), receipt).refusals).to.deep.equal([]);
    const { refusals } = read('presence.heartbeat', at(75_001), receipt);
    expect(refusals.map(({ reason }) => reason)).to.deep.equal(['future_timestamp']);
  });

  it('takes an event up to the allowed skew at its own time, and refuses one beyond it', () => {
    const at = (after: number) => ({
      ...HEARTBEAT,
      occurred_at: new Date(NOW + after).toISOString(),
    });
    expect(read('presence.heartbeat', at(15_000)).events[0]?.occurredAt).to.equal(NOW + 15_000);
    expect(reasons('presence.heartbeat', at(15_001))).to.deep.equal(['future_timestamp']);
    const { refusals } = read(
      'presence.heartbeat',
      { type: 'heartbeat', user_id: 1 },
      {
        timestamp: NOW * 1_000,
      },
    );
    expect(refusals.map(({ reason }) => reason)).to.deep.equal(['future_timestamp']);
  });

  it('is not harmed by deep nesting, __proto__ or a mebibyte', () => {
    const deep = '['.repeat(100_000);
    expect(reasons('presence.batch', deep)).to.deep.equal(['invalid_json']);
    const nested = `[${'['.repeat(60_000)}${']'.repeat(60_000)},${JSON.stringify(HEARTBEAT)}]`;
    const { events, refusals } = read('presence.batch', nested);
    expect(events).to.have.length(1);
    expect(refusals[0]?.body.length).to.equal(120_000);
    const forged = '{"__proto__":{"type":"heartbeat","user_id":1},"constructor":1}';
    expect(reasons('presence.heartbeat', forged)).to.deep.equal(['invalid_event']);
    expect({}).not.to.have.property('user_id');
    const mebibyte = 'x'.repeat(2 ** 20);
    expect(reasons('presence.heartbeat', mebibyte)).to.deep.equal(['too_large']);
  });

  it('refuses each event of an array in the very words in which it came', () => {
    const words = fc.array(fc.tuple(fc.json(), fc.constantFrom('', ' ', '\n\t')), { minLength: 1 });
    fc.assert(
      fc.property(words, (texts) => {
        const body = `[${texts.map(([text, space]) => space + text + space).join(',')}]`;
        const { refusals } = read('presence.batch', body);
        const bodies = refusals.map((refusal) => Buffer.from(refusal.body).toString());
        expect(bodies).to.deep.equal(texts.map(([text]) => text.trim()));
      }),
    );
  });

  it('lets the worker refuse an event in its own words', () => {
    const [first, second] = [
      '{"type":"heartbeat", "user_id":1}',
      '{ "user_id":2,"type":"activity"}',
    ];
    const delivery = read('presence.batch', `[${first}, 7, ${second}]`);
    const refusal = delivery.refuse(delivery.events[1]!, 'unknown_user');
    expect(refusal).to.deep.equal({ reason: 'unknown_user', body: Buffer.from(second) });
    const single = read('presence.heartbeat', first);
    expect(single.refuse(single.events[0]!, 'database:22P05').body.toString()).to.equal(first);
  });

  it('never throws, whatever comes in', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array(), fc.anything(), (routingKey, bytes, progress) => {
        read(routingKey, Buffer.from(bytes), { progress });
        read('presence.batch', Buffer.from(bytes), { progress });
      }),
    );
    fc.assert(
      fc.property(fc.json(), (json) => {
        read('presence.batch', json);
        read('presence.heartbeat', json);
      }),
    );
  });

  it('takes word of progress from the header of a batch, and only sound word', () => {
    const progress = {
      publisher: 'a9c7d1ce-6d4f-4e57-8b7e-3f4f8f1b2c3d',
      kind: 'app',
      since: 1_000,
      from: 2_000,
      through: 3_000,
      last: false,
    };
    expect(read('presence.batch', [], { progress }).progress).to.deep.equal(progress);
    expect(read('presence.batch', '{', { progress }).progress).to.deep.equal(progress);
    expect(read('presence.heartbeat', HEARTBEAT, { progress }).progress).to.equal(null);
    for (const wrong of [
      { through: 2_000 },
      { from: 999 },
      { since: -1 },
      { from: 1.5 },
      { publisher: 'x' },
      { kind: 'else' },
      { last: 1 },
    ]) {
      const header = { ...progress, ...wrong };
      expect(read('presence.batch', [], { progress: header }).progress).to.equal(null);
    }
  });
});

describe('The encoder of messages', () => {
  it('writes the text that JSON.stringify would', () => {
    fc.assert(
      fc.property(arbitraryEvent(NOW), (event) => {
        const { type, user, occurredAt, status, sessionId } = event;
        const saysStatus = type === 'heartbeat' || type === 'status_set';
        const json = {
          type,
          ...(typeof user === 'number' ? { user_id: user } : user),
          occurred_at: new Date(occurredAt).toISOString(),
          ...(saysStatus && { status }),
          ...(sessionId !== '' && { session_id: sessionId }),
        };
        expect(encodeEvent(event)).to.equal(JSON.stringify(json));
      }),
    );
  });

  it('spoils no message for what a program in JavaScript calls a user, a session or a status', () => {
    const wrong: object[] = [
      ...[Number.NaN, Number.POSITIVE_INFINITY, 1.5, '7', '1,"type":"logout"'].map((user) => ({
        user,
      })),
      ...[7, null, '"', '\\', 'a\n'].map((sessionId) => ({ sessionId })),
      { status: 'on"line' },
      { type: 'heart"beat' },
    ];
    const right: ReportedEvent = {
      ...{ type: 'heartbeat', user: 1, occurredAt: NOW },
      ...{ status: 'online', sessionId: 's' },
    };
    for (const part of wrong) {
      const [{ body }] = encodeBatches([right, { ...right, ...part }]) as [EncodedBatch];
      const { events, refusals } = read('presence.batch', body);
      expect(events.length + refusals.length, JSON.stringify(part)).to.equal(2);
      expect(events[0]).to.deep.equal(right);
    }
  });

  it('writes of an identity its issuer and subject, whatever else the object is', () => {
    const user = { issuer: 'a', subject: 'b', type: 'logout', id: 7n };
    const event = {
      type: 'activity',
      user,
      occurredAt: NOW,
      status: 'online',
      sessionId: '',
    } as const;
    const text = encodeEvent(event);
    expect(JSON.parse(text)).to.include({ type: 'activity', issuer: 'a', subject: 'b' });
  });

  it('writes what the decoder reads', () => {
    fc.assert(
      fc.property(arbitraryEvent(NOW), (event) => {
        const { events } = read(`presence.${event.type}`, encodeEvent(event));
        expect(events).to.deep.equal([event]);
      }),
    );
  });

  it('packs any events into messages that no limit refuses, in their order', () => {
    const big: ReportedEvent = {
      type: 'heartbeat',
      user: { issuer: '\u0001'.repeat(255), subject: '😀'.repeat(255) },
      occurredAt: NOW,
      status: 'online',
      sessionId: '\u0001'.repeat(255),
    };
    for (const length of [0, 1, 1_000, 1_001, 2_500]) {
      const events = Array.from({ length }, (_, at) => ({ ...big, user: at + 1 }));
      expectPacked(events);
      expectPacked(events.map((event) => ({ ...event, user: big.user })));
    }
  });

  function expectPacked(events: readonly ReportedEvent[]): void {
    const packed = encodeBatches(events);
    expect(packed.length).to.be.at.least(1);
    const read_ = packed.flatMap(({ body }) => {
      const { events: read_, refusals } = read('presence.batch', body);
      expect(refusals).to.deep.equal([]);
      return read_;
    });
    expect(read_).to.deep.equal(events);
    expect(packed.flatMap((each) => each.events)).to.deep.equal(events);
  }
});
