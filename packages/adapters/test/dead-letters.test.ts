import { Unavailable } from '@presence/domain';
import { expect } from 'chai';
import { deadLetter } from '../dist/rabbitmq/dead-letter-message.js';
import { DeadLetters } from '../dist/rabbitmq/dead-letters.js';

describe('A dead letter', () => {
  it('that the broker does not take is given up in time, with all others of its message', async () => {
    let attempts = 0;
    const channel = {
      publishNow: async () => {
        attempts++;
        throw new Unavailable('broker');
      },
      send: () => {},
    };
    const letters = new DeadLetters(channel, 300);
    const refusal = { reason: 'invalid_json', body: Buffer.from('{') } as const;
    expect(await letters.publish([refusal, refusal], 0, () => false)).to.equal(0);
    expect(attempts).to.equal(2);
  });
});

describe('A dead letter of an event that is dated', () => {
  it('later than any year there is bears the last of them, in which it is still to come', () => {
    const refusal = { reason: 'future_timestamp', body: Buffer.from('{}') } as const;
    for (const occurredAt of [1.7e15, 1.7e18, Number.MAX_SAFE_INTEGER * 1_000]) {
      const { headers } = deadLetter(refusal, occurredAt).options;
      expect(headers['x-presence-occurred-at']).to.equal('9999-12-31T23:59:59.999Z');
    }
  });
});

describe('A reply', () => {
  const sent: { routingKey: string; options: object }[] = [];
  const channel = {
    publishNow: async () => {},
    send: (one: (typeof sent)[number]) => sent.push(one),
  };
  const letters = new DeadLetters(channel, 300);
  const body = Buffer.from('{}');

  beforeEach(() => sent.splice(0));

  it('bears the id that it was asked with, if there was one', () => {
    letters.reply('a', 'b', body);
    letters.reply('a', undefined, body);
    expect(sent.map(({ options }) => options)[0]).to.include({ correlationId: 'b' });
    expect(sent.map(({ options }) => options)[1]).to.not.have.property('correlationId');
  });

  it('is not sent to where it cannot go', () => {
    const fits = 'ü'.repeat(127);
    for (const [to, id] of [
      [`${fits}üü`, 'b'],
      ['a', `${fits}üü`],
      [fits, fits],
    ]) {
      letters.reply(to!, id, body);
    }
    expect(sent.map(({ routingKey }) => routingKey)).to.deep.equal([fits]);
  });
});
