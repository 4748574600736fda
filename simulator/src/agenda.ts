/** How many milliseconds lie in one chapter. */
const CHAPTER = 60_000;
const NONE = -1;

/**
 * What is still to happen, earliest first, at whole milliseconds. The open chapter has a list for
 * each of its milliseconds, in typed arrays, so that tens of millions of entries pass through it
 * without garbage and without being sorted: a heap took 10 % of a day. Later chapters wait unread.
 * What happens at the same time comes out in the order in which it was put in.
 */
export class Agenda {
  readonly #first = new Int32Array(CHAPTER).fill(NONE);
  readonly #last = new Int32Array(CHAPTER);
  #kinds = new Uint8Array(1_024);
  #subjects = new Int32Array(1_024);
  /** The entry behind each; of a free one, the next free one. */
  #following = new Int32Array(1_024);
  #free = NONE;
  #used = 0;
  #size = 0;
  /** Triples of time, kind and subject. */
  readonly #chapters = new Map<number, number[]>();
  /** The one that is open. */
  #chapter = 0;
  /** How far it has been read. */
  #at = 0;
  #farOff = 0;

  /** Of the entry that {@link next} has taken out last. */
  kind = 0;
  subject = 0;
  time = 0;

  /** @param time not before what {@link next} has taken out last */
  add(time: number, kind: number, subject: number): void {
    const chapter = Math.floor(time / CHAPTER);
    if (chapter === this.#chapter) this.#push(time - chapter * CHAPTER, kind, subject);
    else this.#defer(chapter, time, kind, subject);
  }

  /** Takes out the earliest entry. @returns false where there is none. */
  next(): boolean {
    while (this.#size === 0 && this.#farOff > 0) this.#openChapter();
    if (this.#size === 0) return false;
    while (this.#first[this.#at] === NONE) this.#at++;
    const entry = this.#first[this.#at]!;
    this.#first[this.#at] = this.#following[entry]!;
    this.#following[entry] = this.#free;
    this.#free = entry;
    this.#size--;
    this.time = this.#chapter * CHAPTER + this.#at;
    this.kind = this.#kinds[entry]!;
    this.subject = this.#subjects[entry]!;
    return true;
  }

  #defer(chapter: number, time: number, kind: number, subject: number): void {
    this.#farOff++;
    const entries = this.#chapters.get(chapter);
    if (entries === undefined) this.#chapters.set(chapter, [time, kind, subject]);
    else entries.push(time, kind, subject);
  }

  #openChapter(): void {
    const entries = this.#chapters.get(++this.#chapter) ?? [];
    this.#chapters.delete(this.#chapter);
    this.#farOff -= entries.length / 3;
    this.#at = 0;
    const begin = this.#chapter * CHAPTER;
    for (let at = 0; at < entries.length; at += 3) {
      this.#push(entries[at]! - begin, entries[at + 1]!, entries[at + 2]!);
    }
  }

  #push(at: number, kind: number, subject: number): void {
    const entry = this.#newEntry();
    this.#kinds[entry] = kind;
    this.#subjects[entry] = subject;
    this.#following[entry] = NONE;
    if (this.#first[at] === NONE) this.#first[at] = entry;
    else this.#following[this.#last[at]!] = entry;
    this.#last[at] = entry;
    this.#size++;
  }

  #newEntry(): number {
    const entry = this.#free;
    if (entry === NONE) {
      if (this.#used === this.#kinds.length) this.#grow();
      return this.#used++;
    }
    this.#free = this.#following[entry]!;
    return entry;
  }

  #grow(): void {
    const size = this.#kinds.length * 2;
    const [kinds, subjects, following] = [this.#kinds, this.#subjects, this.#following];
    this.#kinds = new Uint8Array(size);
    this.#subjects = new Int32Array(size);
    this.#following = new Int32Array(size);
    this.#kinds.set(kinds);
    this.#subjects.set(subjects);
    this.#following.set(following);
  }
}
