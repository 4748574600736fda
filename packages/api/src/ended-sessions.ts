import type { Millis, SessionEnd, SessionId, UserId } from '@presence/domain';

/** Sessions whose access tokens are refused although they have not expired. */
export class EndedSessions {
  readonly #tokensUntil = new Map<string, Millis>();

  get size(): number {
    return this.#tokensUntil.size;
  }

  add({ userId, sessionId, tokensUntil }: Omit<SessionEnd, 'at'>): void {
    this.#tokensUntil.set(key(userId, sessionId), tokensUntil);
  }

  has(userId: UserId, sessionId: SessionId): boolean {
    return this.#tokensUntil.size > 0 && this.#tokensUntil.has(key(userId, sessionId));
  }

  /** Forgets sessions all of whose access tokens have expired by `now`. */
  forget(now: Millis): void {
    for (const [session, until] of this.#tokensUntil) {
      if (until < now) this.#tokensUntil.delete(session);
    }
  }
}

function key(userId: UserId, sessionId: SessionId): string {
  return `${userId} ${sessionId}`;
}
