import type {
  CommittedStatus,
  Delivery,
  Millis,
  PresenceEvent,
  Refusal,
  RefusalReason,
  ReportedEvent,
  Verdict,
} from '@presence/domain';

/** A delivery that waits until all of its events are committed or refused. */
export class HeldDelivery {
  readonly verdict: Promise<Verdict>;
  /** By the monotonic clock. */
  readonly heldSince = performance.now();
  /** How many of its events wait for rows that somebody else has locked. */
  locked = 0;
  readonly #refusals: Refusal[];
  #resolve!: (verdict: Verdict) => void;

  constructor(
    readonly delivery: Delivery,
    readonly receivedAt: Millis,
  ) {
    this.#refusals = [...delivery.refusals];
    this.verdict = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get refusals(): readonly Refusal[] {
    return this.#refusals;
  }

  refuse(event: ReportedEvent, reason: RefusalReason): void {
    this.#refusals.push(this.delivery.refuse(event, reason));
  }

  /** `current` is what the database now says, for whoever awaits that. */
  settle(current: CommittedStatus | null): void {
    this.#resolve({ kind: 'settled', refusals: this.#refusals, reply: current });
  }

  handBack(): void {
    this.#resolve({ kind: 'requeue' });
  }
}

/** An event whose user is known by number, and the delivery that it came in. */
export interface HeldEvent extends PresenceEvent {
  readonly held: HeldDelivery;
  readonly reported: ReportedEvent;
}
