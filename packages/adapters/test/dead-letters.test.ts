import { Unavailable } from '@presence/domain';
import { expect } from 'chai';
import { DeadLetters } from '../dist/rabbitmq/dead-letters.js';

describe('A dead letter', () => {
  it('that the broker does not take is given up in time: its original is handed back', async () => {
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
    expect(await letters.publish(refusal, () => false)).to.equal(false);
    expect(attempts).to.equal(2);
  });
});
