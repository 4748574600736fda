import { METHODS } from 'node:http';
import { expect } from 'chai';
import fc from 'fast-check';
import { token } from './access-token.js';
import type { Call } from './answers.js';
import { closeAll, type Running, startWorld } from './running-api.js';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
}

interface Operation {
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { content: Record<string, { schema: { properties: object } }> };
}

const RUNS = 1_000;

describe('malformed requests', () => {
  let api: Running;
  let tokens: string[];

  beforeEach(async () => {
    api = await startWorld();
    const user = api.world.add(1, { username: 'ahmad', password: 'secret' });
    const admin = api.world.add(2, { role: 'admin' });
    tokens = [
      token({ user }),
      token({ user: admin }),
      token({ user: admin }),
      token({ user: admin }),
    ];
  });
  afterEach(closeAll);

  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom(
      '',
      '0',
      '-1',
      '1',
      '2',
      '9007199254740992',
      '1e3',
      '0x1',
      'NaN',
      '\0',
      '%',
      '__proto__',
    ),
    fc.constantFrom("' OR 1=1 --", '../..', 'online', 'away', 'offline', 'null', 'true', '١'),
  );
  const encoded = text.map((value) => encodeURIComponent(value));
  const broken = fc.oneof(encoded, fc.constantFrom('%', '%zz', '%00', '%c0%af', '%ff'));
  const json = fc.jsonValue({ maxDepth: 3 });

  function operations(): [string, string, Operation][] {
    const { paths } = api.client.document;
    return Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods as unknown as Record<string, Operation>).map(
        ([method, operation]): [string, string, Operation] => [
          method.toUpperCase(),
          path,
          operation,
        ],
      ),
    );
  }

  /** A path of an operation, its parameters replaced by nonsense; now and then it leads nowhere. */
  function pathOf(template: string, parameters: readonly Parameter[]): fc.Arbitrary<string> {
    const names = parameters.filter((parameter) => parameter.in === 'query');
    const query = fc.array(
      fc.tuple(fc.constantFrom(...names.map(({ name }) => name), 'x'), broken),
      {
        maxLength: 3,
      },
    );
    return fc
      .record({
        value: fc.oneof(broken, fc.constantFrom('1', '2', '404')),
        query,
        slash: fc.constantFrom('', '/', '//', '/x', '?', ';a=b'),
      })
      .map(({ value, query: pairs, slash }) => {
        const path = template.replace(/\{\w+\}/, value).replace(/\/$/, '') + slash;
        const search = pairs.map(([name, given]) => `${name}=${given}`).join('&');
        return search === '' ? path : `${path}?${search}`;
      });
  }

  /** A body that has the fields of the operation's, with anything in them; or no JSON at all. */
  function bodyOf(operation: Operation): fc.Arbitrary<string | undefined> {
    const schema = operation.requestBody?.content['application/json']?.schema;
    const fields = Object.keys(schema?.properties ?? { x: 1 });
    const value = fc.oneof(text, json, fc.array(fc.oneof(fc.integer(), text), { maxLength: 4 }));
    const object = fc.record(Object.fromEntries(fields.map((name) => [name, value])), {
      requiredKeys: [],
    });
    return fc.oneof(
      { weight: 4, arbitrary: object.map((body) => JSON.stringify(body)) },
      { weight: 1, arbitrary: json.map((body) => JSON.stringify(body)) },
      {
        weight: 1,
        arbitrary: fc.oneof(text, fc.constant('['.repeat(9_000)), fc.constant('x'.repeat(20_000))),
      },
      { weight: 1, arbitrary: fc.constant(undefined) },
    );
  }

  const latin = fc.string({ maxLength: 20 }).map((value) => value.replace(/[^\x20-\x7e]/g, ''));

  function headersOf(): fc.Arbitrary<Record<string, string>> {
    const type = fc.constantFrom(
      'application/json',
      'text/plain',
      'multipart/form-data',
      '',
      ';',
      'a/b/c',
    );
    return fc.record(
      {
        'content-type': fc.oneof(type, latin),
        authorization: fc.oneof(
          latin,
          latin.map((value) => `Bearer ${value}`),
          fc.constant('Bearer eyJhbGciOiJub25lIn0.e30.'),
        ),
        'content-encoding': fc.constantFrom('gzip', 'br', 'x'),
        'presence-mode': latin,
        'x-request-id': latin,
        accept: latin,
        origin: latin,
        'x-forwarded-for': latin,
      },
      { requiredKeys: [] },
    );
  }

  function requests(): fc.Arbitrary<[string, string, Call]> {
    const methods = METHODS.filter((method) => !['CONNECT', 'HEAD'].includes(method));
    return fc.constantFrom(...operations()).chain(([method, template, operation]) =>
      fc
        .record({
          method: fc.oneof(
            { weight: 9, arbitrary: fc.constant(method) },
            fc.constantFrom(...methods),
          ),
          path: pathOf(template, operation.parameters),
          body: bodyOf(operation),
          headers: headersOf(),
          token: fc.option(fc.constantFrom(...tokens), { nil: undefined, freq: 8 }),
        })
        .map(({ method: verb, path, body, headers, token: shown }): [string, string, Call] => [
          verb,
          path,
          {
            headers: shown === undefined ? headers : without(headers, 'authorization'),
            ...(body !== undefined && verb !== 'GET' && { body }),
            ...(shown !== undefined && { token: shown }),
          },
        ]),
    );
  }

  it(`get described answers, never a 5xx: ${RUNS} of them`, async () => {
    const counts = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(requests(), async ([method, path, call]) => {
        const { status, text: told } = await api.client.send(method, path, call);
        expect(status, `${method} ${path} ${told}`).to.be.below(500);
        counts.set(status, (counts.get(status) ?? 0) + 1);
      }),
      { numRuns: RUNS },
    );
    expect([...counts.keys()]).to.include.members([200, 400, 401, 404, 405, 415]);
  }).timeout(60_000);
});

function without(headers: Record<string, string>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}
