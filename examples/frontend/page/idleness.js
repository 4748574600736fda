const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus'];

/**
 * Watches for signs of the person in front of the page. A tab in the background gets none, so it
 * goes idle by the same clock.
 */
export class Idleness {
  #after;
  #onChange;
  #timer;
  #idle = false;

  constructor({ after, onChange }) {
    this.#after = after;
    this.#onChange = onChange;
    for (const name of SIGNS) addEventListener(name, () => this.#seen(), { passive: true });
    document.addEventListener('visibilitychange', () => document.hidden || this.#seen());
    this.#seen();
  }

  get idle() {
    return this.#idle;
  }

  #seen() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#become(true), this.#after * 1_000);
    this.#become(false);
  }

  #become(idle) {
    if (idle === this.#idle) return;
    this.#idle = idle;
    this.#onChange();
  }
}
