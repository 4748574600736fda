import { type Duration, identityKey, type ReportedEvent, type UserId } from '@presence/domain';
import type { HeldDelivery } from './held-delivery.js';

export interface QueueSettings {
  /** A flush begins once this many events are queued … */
  readonly maxUsers: number;
  /**
   * … or the oldest has waited this long, the time before the end of the last flush that was not for
   * the pressing alone left out; at once for an event whose sender waits.
   */
  readonly maxWait: Duration;
}

/** Moments by the monotonic clock. */
const AT_ONCE = 0;
export const NEVER: number = Number.POSITIVE_INFINITY;

/** What one flush takes. */
export interface Taken {
  readonly deliveries: readonly HeldDelivery[];
  /** Whether they are the pressing alone: the others may still wait. */
  readonly pressing: boolean;
}

/** Deliveries that wait to be written: which come next, and when. */
export class DeliveryQueue {
  readonly #settings: QueueSettings;
  /** In order of receipt. */
  #queued: HeldDelivery[] = [];
  #events = 0;
  #urgent = false;
  /** When the last flush ended that was for more than them. */
  #restsSince = AT_ONCE;

  constructor(settings: QueueSettings) {
    this.#settings = settings;
  }

  get isEmpty(): boolean {
    return this.#queued.length === 0;
  }

  /** Whether somebody waits, or as many events are there as are written at once. */
  get isPressed(): boolean {
    return this.flushAt === AT_ONCE;
  }

  /** When the next flush is to begin; long past where it should have, {@link NEVER} for nothing. */
  get flushAt(): number {
    return this.#urgent ? AT_ONCE : this.#dueAt;
  }

  push(held: HeldDelivery): void {
    this.#queued.push(held);
    this.#events += held.delivery.events.length;
    this.#urgent ||= held.delivery.urgent;
  }

  clear(): void {
    this.#queued = [];
    this.#events = 0;
    this.#urgent = false;
  }

  /**
   * Whole deliveries until they hold enough events: those that are pressing, and alone where the
   * others may still wait. Else the oldest comes along in any case, so that none waits for ever.
   */
  take(now: number): Taken {
    const pressed = this.#pressing();
    const pressing = pressed.length > 0 && this.#dueAt > now;
    const taken = new Set<HeldDelivery>();
    let room = this.#settings.maxUsers;
    for (const held of new Set(pressing ? pressed : [...pressed, ...this.#queued])) {
      if (room <= 0) break;
      taken.add(held);
      room -= held.delivery.events.length;
    }
    const [oldest] = this.#queued;
    if (!pressing && oldest !== undefined) taken.add(oldest);
    this.#remove(taken);
    return { deliveries: [...taken], pressing };
  }

  /** What was taken has been written, or handed back. */
  flushed({ pressing }: Taken, now: number): void {
    if (!pressing) this.#restsSince = now;
  }

  /**
   * When all that is queued must be written, even if nobody waits for it. The wait begins anew with
   * each flush that took all it could: the more there is to do, the more is done by a transaction.
   */
  get #dueAt(): number {
    const { maxUsers, maxWait } = this.#settings;
    if (this.#events >= maxUsers) return AT_ONCE;
    const oldest = this.#queued.find(({ delivery }) => !delivery.urgent);
    return oldest === undefined ? NEVER : Math.max(oldest.heldSince, this.#restsSince) + maxWait;
  }

  /**
   * Those whose sender waits, and whatever else that names the same users is queued: no row depends
   * on the order of its events, but what is answered, and whether an event finds the user whom
   * another one creates. What has been taken already is written beside them.
   */
  #pressing(): readonly HeldDelivery[] {
    if (!this.#urgent) return [];
    const awaited = this.#queued.filter(({ delivery }) => delivery.urgent);
    const users = new Set(awaited.flatMap(({ delivery }) => delivery.events.map(userKey)));
    return this.#queued.filter(
      ({ delivery }) =>
        delivery.urgent || delivery.events.some((event) => users.has(userKey(event))),
    );
  }

  #remove(taken: ReadonlySet<HeldDelivery>): void {
    this.#queued = this.#queued.filter((held) => !taken.has(held));
    for (const { delivery } of taken) this.#events -= delivery.events.length;
    this.#urgent = this.#queued.some(({ delivery }) => delivery.urgent);
  }
}

function userKey({ user }: ReportedEvent): UserId | string {
  return typeof user === 'number' ? user : identityKey(user);
}
