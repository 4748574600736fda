/** The service answered, but not with what was asked for. */
export class Refused extends Error {
  constructor({ status, headers }, problem) {
    super(problem.detail ?? `The service answered ${status}.`);
    this.status = status;
    /** Seconds to wait before another attempt; `null` where the service does not say. */
    this.retryAfter = secondsOf(headers.get('Retry-After'));
  }
}

/**
 * One login. The tokens live as long as the tab: each tab is a session of its own, and logging
 * out of one does not log out of another. Only a tab that was duplicated begins with the tokens of
 * the first: whichever refreshes them later than the other ends the session of both.
 */
export class Session {
  #api;
  #tokens;
  #refreshing = null;

  constructor(api) {
    this.#api = api;
    this.#tokens = JSON.parse(sessionStorage.getItem('tokens') ?? 'null');
  }

  get isOpen() {
    return this.#tokens !== null;
  }

  async logIn(username, password) {
    const { body } = await this.#send('login/', { body: { username, password } });
    this.#keep(body);
  }

  /** The tokens are forgotten even if the service is away: then the session ends by itself. */
  async logOut() {
    const { refresh } = this.#tokens;
    try {
      await this.post('logout/', { refresh });
    } finally {
      this.#keep(null);
    }
  }

  get(path, options) {
    return this.#call(path, { method: 'GET', ...options });
  }

  post(path, body) {
    return this.#call(path, { body });
  }

  /** As the person of this session. An access token that has expired is exchanged, once. */
  async #call(path, request) {
    const token = this.#tokens?.access;
    try {
      return await this.#send(path, { ...request, token });
    } catch (error) {
      if (error.status !== 401 || !this.isOpen) throw error;
      await this.#refresh(token);
      return this.#send(path, { ...request, token: this.#tokens.access });
    }
  }

  /** Several requests may meet the expiry at once; a refresh token is good for one exchange. */
  #refresh(spent) {
    if (this.#tokens.access !== spent) return Promise.resolve();
    this.#refreshing ??= this.#exchange().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #exchange() {
    try {
      const { refresh } = this.#tokens;
      const { body } = await this.#send('token/refresh/', { body: { refresh } });
      this.#keep(body);
    } catch (error) {
      if (error.status === 401) this.#keep(null);
      throw error;
    }
  }

  /** @returns `{ body, asOf }` @throws Refused; TypeError where nobody answers, or CORS forbids it */
  async #send(path, { method = 'POST', token, body, passive = false }) {
    const response = await fetch(new URL(`/api/users/${path}`, this.#api), {
      method,
      headers: {
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(body && { 'Content-Type': 'application/json' }),
        // What a page asks for by itself is no sign of the person in front of it.
        ...(passive && { 'Presence-Mode': 'passive' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refused(response, answer);
    return { body: answer, asOf: response.headers.get('Presence-As-Of') };
  }

  #keep(tokens) {
    this.#tokens = tokens && { access: tokens.access, refresh: tokens.refresh };
    if (tokens === null) sessionStorage.removeItem('tokens');
    else sessionStorage.setItem('tokens', JSON.stringify(this.#tokens));
  }
}

function secondsOf(header) {
  return header === null || !/^\d+$/.test(header) ? null : Number(header);
}
