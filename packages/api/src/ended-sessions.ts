import type { EndedSessionNotice, Millis, SessionId, UserId } from '@presence/domain';

type Remembered = Pick<EndedSessionNotice, 'tokensRefused' | 'until'>;

/**
 * Sessions that have ended. None of their events makes anybody online; the access tokens of most
 * are refused, though they have not expired.
 */
export class EndedSessions {
  readonly #sessions = new Map<string, Remembered>();

  get size(): number {
    return this.#sessions.size;
  }

  add({ userId, sessionId, tokensRefused, until }: EndedSessionNotice): void {
    const session = key(userId, sessionId);
    const known = this.#sessions.get(session);
    this.#sessions.set(session, {
      tokensRefused: tokensRefused || known?.tokensRefused === true,
      until: Math.max(until, known?.until ?? until),
    });
  }

  has(userId: UserId, sessionId: SessionId): boolean {
    return this.#sessions.size > 0 && this.#sessions.has(key(userId, sessionId));
  }

  refusesTokens(userId: UserId, sessionId: SessionId): boolean {
    if (this.#sessions.size === 0) return false;
    return this.#sessions.get(key(userId, sessionId))?.tokensRefused === true;
  }

  /**
   * Forgets sessions the last of whose access tokens expired before as-of: a clock that is set
   * back does not make those good again, and no event of theirs is still on its way.
   */
  forget(asOf: Millis): void {
    for (const [session, { until }] of this.#sessions) {
      if (until < asOf) this.#sessions.delete(session);
    }
  }
}

function key(userId: UserId, sessionId: SessionId): string {
  return `${userId} ${sessionId}`;
}
