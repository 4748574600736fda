import type { Delivery, UserRef } from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { DeliveryQueue, NEVER } from '../dist/delivery-queue.js';
import { HeldDelivery } from '../dist/held-delivery.js';

const WAIT = 20;

/** An event each of these users. */
function held(users: readonly UserRef[], { urgent = false } = {}): HeldDelivery {
  const events = users.map((user) => {
    const facts = { type: 'heartbeat', occurredAt: 0, status: 'online', sessionId: '' } as const;
    return { ...facts, user };
  });
  const refuse: Delivery['refuse'] = () => {
    throw new Error('Nothing is refused here.');
  };
  return new HeldDelivery({ events, refusals: [], progress: null, urgent, refuse }, 0);
}

const awaited = (user: UserRef) => held([user], { urgent: true });

/** A queue with these in it, and when the first of them is due. */
function queueOf(maxUsers: number, ...deliveries: readonly HeldDelivery[]) {
  const queue = new DeliveryQueue({ maxUsers, maxWait: WAIT });
  for (const delivery of deliveries) queue.push(delivery);
  return { queue, due: deliveries[0]!.heldSince + WAIT };
}

describe('The queue of deliveries', () => {
  it('is due when the oldest has waited long enough, or enough events are there', () => {
    const { queue, due } = queueOf(3, held([1]), held([2]));
    expect(queue.flushAt).to.equal(due);
    queue.push(held([3]));
    expect(queue.flushAt).to.be.below(due - WAIT);
    queue.take(due);
    expect(queue.flushAt).to.equal(NEVER);
  });

  it('is pressed where enough events are there, or a sender waits', () => {
    expect(queueOf(3, held([1, 2])).queue.isPressed).to.equal(false);
    expect(queueOf(3, held([1, 2]), held([3])).queue.isPressed).to.equal(true);
    expect(queueOf(3, held([1]), awaited(2)).queue.isPressed).to.equal(true);
  });

  it('gives whole deliveries, oldest first, until they hold enough events', () => {
    const [first, second, third] = [held([1, 2]), held([3, 4]), held([5])];
    const { queue, due } = queueOf(3, first, second, third);
    expect(queue.take(due).deliveries).to.deep.equal([first, second]);
    expect(queue.take(due).deliveries).to.deep.equal([third]);
    expect(queue.isEmpty).to.equal(true);
  });

  it('lets the others wait anew after a flush of all it could, and not after one of the pressing', () => {
    const [early, urgent] = [held([1]), awaited(2)];
    const { queue, due } = queueOf(100, early, urgent);
    expect(queue.flushAt).to.be.below(due);
    const pressing = queue.take(due - 1);
    expect(pressing.deliveries).to.deep.equal([urgent]);
    queue.flushed(pressing, due - 1);
    expect(queue.flushAt).to.equal(due);
    const rest = queue.take(due);
    expect(rest.deliveries).to.deep.equal([early]);
    queue.push(held([3]));
    queue.flushed(rest, due + 1_000);
    queue.flushed(pressing, due + 2_000);
    expect(queue.flushAt).to.equal(due + 1_000 + WAIT);
  });

  it('gives with what somebody waits for whatever names the same user', () => {
    const somebody = { issuer: 'idp', subject: 'a' };
    const [byNumber, other, byIdentity] = [held([7, 8]), held([9]), held([{ ...somebody }])];
    const [seven, a] = [awaited(7), awaited(somebody)];
    const { queue, due } = queueOf(100, byNumber, other, byIdentity, seven, a);
    expect(queue.take(due - 1).deliveries).to.deep.equal([byNumber, byIdentity, seven, a]);
  });

  it('gives first what somebody waits for, and with it the oldest, however little fits', () => {
    const [oldest, other, urgent] = [held([1]), held([2]), awaited(3)];
    const { queue, due } = queueOf(1, oldest, other, urgent);
    expect(queue.take(due).deliveries).to.deep.equal([urgent, oldest]);
    expect(queue.take(due).deliveries).to.deep.equal([other]);
  });

  it('gives each delivery once, and where it is due the oldest', () => {
    const delivery = fc
      .tuple(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }), fc.boolean())
      .map(([users, urgent]) => held(users, { urgent }));
    const step = fc.oneof(delivery, fc.constantFrom('early' as const, 'late' as const));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step), (maxUsers, steps) => {
        const queue = new DeliveryQueue({ maxUsers, maxWait: WAIT });
        const pushed: HeldDelivery[] = [];
        const given = new Set<HeldDelivery>();
        for (const one of [...steps, ...steps.map(() => 'late' as const)]) {
          if (typeof one !== 'string') {
            pushed.push(one);
            queue.push(one);
            continue;
          }
          const oldest = pushed.find((candidate) => !given.has(candidate));
          const taken = queue.take(one === 'late' ? NEVER : 0).deliveries;
          for (const delivery of taken) expect(given.has(delivery)).to.equal(false);
          for (const delivery of taken) given.add(delivery);
          if (one === 'late' && oldest) expect(given.has(oldest)).to.equal(true);
        }
        expect(given.size).to.equal(pushed.length);
        expect(queue.flushAt).to.equal(NEVER);
      }),
      { numRuns: 10_000 },
    );
  });
});
