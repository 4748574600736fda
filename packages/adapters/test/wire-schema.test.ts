import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  asyncapiDocument,
  decode,
  encodeBatches,
  encodeChange,
  encodeEvent,
  messageFaults,
} from '@presence/adapters/wire';
import { isTransition } from '@presence/domain';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import fc from 'fast-check';
import { parse } from 'yaml';
import { arbitraryEvent, nearlyEvent } from './wire-arbitraries.js';

const NOW = Date.parse('2024-01-15T10:30:00.000Z');
/** So far ahead that no event is refused for its time. */
const RULES = { maxClockSkew: 9e15 };

describe('The published schemas', () => {
  it('accept exactly the events that the decoder accepts', () => {
    let accepted = 0;
    // Of what is put together at random, two in a hundred are sound: by themselves too few to rely on.
    const sound = arbitraryEvent(NOW).map((event) => JSON.parse(encodeEvent(event)));
    const events = fc.oneof(
      { weight: 1, arbitrary: sound },
      { weight: 3, arbitrary: nearlyEvent() },
    );
    fc.assert(
      fc.property(events, (json) => {
        const body = JSON.stringify(json);
        const routingKey = `presence.${json.type}`;
        const { refusals } = decode(
          { routingKey, body: Buffer.from(body), receivedAt: NOW },
          RULES,
        );
        const faults = messageFaults('presence.events', routingKey, body);
        expect(refusals.length === 0, `${body}: ${faults}`).to.equal(faults.length === 0);
        accepted += Number(refusals.length === 0);
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).to.be.within(1_000, 2_000);
  });

  it('accept everything that we publish', () => {
    fc.assert(
      fc.property(arbitraryEvent(NOW), (event) => {
        const key = `presence.${event.type}`;
        expect(messageFaults('presence.events', key, encodeEvent(event))).to.deep.equal([]);
        if (isTransition(event.type)) return;
        for (const { body } of encodeBatches([event])) {
          expect(messageFaults('presence.events', 'presence.batch', body)).to.deep.equal([]);
        }
      }),
    );
    const times = { at: NOW, lastSeen: NOW };
    const step = { from: 'online', to: 'away', cause: 'heartbeat' } as const;
    const { body } = encodeChange({ id: 'x', userId: 1, version: 1, ...step, ...times });
    expect(messageFaults('presence.changes', 'presence.away', body)).to.deep.equal([]);
  });

  it('find fault with what is none of ours', () => {
    expect(messageFaults('presence.changes', 'presence.away', '{}')).not.to.deep.equal([]);
    expect(messageFaults('reply', '', '{"outcome":"lost"}')).not.to.deep.equal([]);
    expect(messageFaults('presence.events', 'presence.x', '{}')).not.to.deep.equal([]);
  });
});

describe('docs/asyncapi.yaml', () => {
  const file = new URL('../../../docs/asyncapi.yaml', import.meta.url);

  it('is what the schemas of the decoder generate', () => {
    const document = JSON.parse(JSON.stringify(asyncapiDocument()));
    expect(parse(readFileSync(file, 'utf8'))).to.deep.equal(document);
  });

  it('is a valid AsyncAPI 3 document', () => {
    const require = createRequire(import.meta.url);
    const specification = require('@asyncapi/specs/schemas/3.0.0.json') as object;
    // The specification brings the meta-schema that ajv has too.
    const ajv = new Ajv({
      strict: false,
      meta: false,
      validateSchema: false,
      validateFormats: false,
    });
    const validate = ajv.compile(specification);
    validate(parse(readFileSync(file, 'utf8')));
    expect(validate.errors).to.equal(null);
  });

  it('points at nothing that is not there', () => {
    const document = parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
    expect(references).not.to.have.length(0);
    for (const [, path] of references) {
      const steps = path!.split('/');
      const target = steps.reduce<unknown>((at, step) => (at as never)?.[step], document);
      expect(target, path).to.be.an('object');
    }
  });
});
