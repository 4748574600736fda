import type {
  Duration,
  EventPublisher,
  PresenceEvent,
  ReportedEvent,
  Submission,
} from '@presence/domain';

/** Counts what goes through a publisher. */
export class CountedPublisher implements EventPublisher {
  readonly #publisher: EventPublisher;
  #recorded = 0;
  #submitted = 0;

  constructor(publisher: EventPublisher) {
    this.#publisher = publisher;
  }

  get recorded(): number {
    return this.#recorded;
  }

  get submitted(): number {
    return this.#submitted;
  }

  get accepting(): boolean {
    return this.#publisher.accepting;
  }

  get connected(): boolean {
    return this.#publisher.connected;
  }

  record(event: ReportedEvent): void {
    this.#recorded++;
    this.#publisher.record(event);
  }

  submit(event: PresenceEvent, timeout: Duration): Promise<Submission> {
    this.#submitted++;
    return this.#publisher.submit(event, timeout);
  }

  close(timeout: Duration): Promise<void> {
    return this.#publisher.close(timeout);
  }
}
