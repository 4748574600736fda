import type { ChangePublisher, StatusChange } from '@presence/domain';
import { type EncodedChange, encodeChange } from '../wire/encode.js';

export type ChangeListener = (change: EncodedChange) => void;

/** Announces changes within the process, in the bytes that a broker would carry. */
export class MemoryChanges implements ChangePublisher {
  readonly #listeners = new Set<ChangeListener>();

  /** @returns how to leave. */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async publish(changes: readonly StatusChange[]): Promise<void> {
    if (this.#listeners.size === 0) return;
    for (const change of changes) {
      const encoded = encodeChange(change);
      for (const listener of this.#listeners) listener(encoded);
    }
  }
}
