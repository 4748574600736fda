/** For when nobody answers: neither the service nor a word of how long to wait. */
const UNREACHABLE_WAIT = 5;

/**
 * Says that the person is there: at once, then whenever the service asks for it. One request is
 * under way at a time, so that what was said last is what counts.
 */
export class Heartbeats {
  #session;
  #status;
  #on;
  #timer;
  #running = false;
  #sending = false;
  #again = false;
  /** Whether the service has asked for patience: news waits for it, too. */
  #delayed = false;

  /**
   * @param session whose heartbeats these are
   * @param status tells `online` or `away`
   * @param on `recorded(answer, asOf)`; `delayed(seconds, error)`; `ended()` once the session is over
   */
  constructor(session, status, on) {
    this.#session = session;
    this.#status = status;
    this.#on = on;
  }

  start() {
    this.#running = true;
    this.#delayed = false;
    this.now();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** There is news: it does not wait for the next heartbeat. */
  now() {
    if (!this.#running || this.#delayed) return;
    if (this.#sending) this.#again = true;
    else this.#send();
  }

  async #send() {
    clearTimeout(this.#timer);
    this.#sending = true;
    this.#delayed = false;
    const wait = await this.#heartbeat();
    this.#sending = false;
    if (!this.#running) return;
    this.#timer = setTimeout(() => this.#send(), (this.#again ? 0 : wait) * 1_000);
    this.#again = false;
  }

  /** @returns seconds until the next one */
  async #heartbeat() {
    try {
      const { body, asOf } = await this.#session.post('heartbeat/', { status: this.#status() });
      if (this.#running) this.#on.recorded(body, asOf);
      return body.next_heartbeat_in;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error) {
    if (!this.#running) return 0;
    if (error.status === 401) {
      this.stop();
      this.#on.ended();
      return 0;
    }
    // Not all at once: a little jitter spreads the clients of a service that comes back.
    const wait = (error.retryAfter ?? UNREACHABLE_WAIT) + Math.random();
    this.#again = false;
    this.#delayed = true;
    this.#on.delayed(wait, error);
    return wait;
  }
}
