/** How much time lies in one chapter of what is far off. */
const CHAPTER = 60_000;

/**
 * What is still to happen, earliest first. What is near lies in a heap, four children a node, in
 * typed arrays, so that tens of millions of entries pass through it without garbage. What is far
 * off (most users are, most of the day) waits in chapters, so that the heap stays in the cache.
 * Equal times come out in an order that depends on nothing but what was put in.
 */
export class Agenda {
  #times = new Float64Array(1_024);
  #kinds = new Uint8Array(1_024);
  #subjects = new Int32Array(1_024);
  #size = 0;
  /** Triples of time, kind and subject. */
  readonly #chapters = new Map<number, number[]>();
  /** The first chapter that is not in the heap. */
  #chapter = 1;
  #farOff = 0;

  /** Of the entry that {@link next} has taken out last. */
  kind = 0;
  subject = 0;
  time = 0;

  add(time: number, kind: number, subject: number): void {
    const chapter = Math.floor(time / CHAPTER);
    if (chapter < this.#chapter) this.#push(time, kind, subject);
    else this.#defer(chapter, time, kind, subject);
  }

  /** Takes out the earliest entry. @returns false where there is none. */
  next(): boolean {
    while (this.#size === 0 && this.#farOff > 0) this.#openChapter();
    if (this.#size === 0) return false;
    this.time = this.#times[0]!;
    this.kind = this.#kinds[0]!;
    this.subject = this.#subjects[0]!;
    this.#size--;
    if (this.#size > 0) this.#sink(this.#size);
    return true;
  }

  #defer(chapter: number, time: number, kind: number, subject: number): void {
    this.#farOff++;
    const entries = this.#chapters.get(chapter);
    if (entries === undefined) this.#chapters.set(chapter, [time, kind, subject]);
    else entries.push(time, kind, subject);
  }

  #openChapter(): void {
    const entries = this.#chapters.get(this.#chapter) ?? [];
    this.#chapters.delete(this.#chapter++);
    this.#farOff -= entries.length / 3;
    for (let at = 0; at < entries.length; at += 3) {
      this.#push(entries[at]!, entries[at + 1]!, entries[at + 2]!);
    }
  }

  #push(time: number, kind: number, subject: number): void {
    if (this.#size === this.#times.length) this.#grow();
    let hole = this.#size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 2;
      if (this.#times[parent]! <= time) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, time, kind, subject);
  }

  /** Lets the entry at `from` take the place of the root, and sink. */
  #sink(from: number): void {
    const time = this.#times[from]!;
    const kind = this.#kinds[from]!;
    const subject = this.#subjects[from]!;
    let hole = 0;
    for (;;) {
      const child = this.#leastChild(hole);
      if (child < 0 || this.#times[child]! >= time) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, time, kind, subject);
  }

  #leastChild(parent: number): number {
    const first = parent * 4 + 1;
    if (first >= this.#size) return -1;
    const end = Math.min(first + 4, this.#size);
    let least = first;
    for (let child = first + 1; child < end; child++) {
      if (this.#times[child]! < this.#times[least]!) least = child;
    }
    return least;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#kinds[from]!, this.#subjects[from]!);
  }

  #put(at: number, time: number, kind: number, subject: number): void {
    this.#times[at] = time;
    this.#kinds[at] = kind;
    this.#subjects[at] = subject;
  }

  #grow(): void {
    const size = this.#times.length * 2;
    const [times, kinds, subjects] = [this.#times, this.#kinds, this.#subjects];
    this.#times = new Float64Array(size);
    this.#kinds = new Uint8Array(size);
    this.#subjects = new Int32Array(size);
    this.#times.set(times);
    this.#kinds.set(kinds);
    this.#subjects.set(subjects);
  }
}
