import { createSecretKey, randomUUID } from 'node:crypto';
import { JwtIssuer } from '@presence/adapters/jwt';
import { JWT_SECRET } from './running-system.js';

/** Somebody with a row in the database, and a token of a session of their own. */
export interface Person {
  readonly userId: number;
  readonly username: string;
  readonly role: string;
  readonly token: string;
  readonly sessionId: string;
}

const ISSUER = new JwtIssuer({
  signing: { algorithm: 'HS256', key: createSecretKey(Buffer.from(JWT_SECRET)) },
  issuer: 'presence',
  audience: 'presence',
  claims: { username: 'username', email: 'email', role: 'role', session: 'sid' },
  adminRole: 'admin',
  accessTokenTtl: 86_400_000,
});

/** People whose ids follow each other, each in a session of their own. */
export function peopleFrom(firstId: number, count: number, role = 'user'): Person[] {
  return Array.from({ length: count }, (_, at) => {
    const userId = firstId + at;
    const username = `user${userId}`;
    return { userId, username, role, ...newSession({ userId, username, role }) };
  });
}

/** A token that signs somebody in anew, as another instance of the API would have issued it. */
export function newSession({
  userId: id,
  username,
  role,
}: Pick<Person, 'userId' | 'username' | 'role'>): Pick<Person, 'token' | 'sessionId'> {
  const sessionId = randomUUID();
  return { sessionId, token: ISSUER.issue({ id, username, email: null, role }, sessionId) };
}

/** Many users at once; without a password hash (null) they cannot log in. */
export const ADD_PEOPLE = `
  WITH added AS (
    INSERT INTO users (id, issuer, subject, username, email, role, password_hash)
    SELECT id, 'presence', id::text, username, NULL, $3, $4
    FROM unnest($1::bigint[], $2::text[]) AS person (id, username) RETURNING id
  ) INSERT INTO user_presence (user_id) SELECT id FROM added`;

/** What {@link ADD_PEOPLE} takes: people who all have one role, and one password. */
export function addPeopleValues(
  people: readonly Person[],
  passwordHash: string | null = null,
): unknown[] {
  const ids = people.map(({ userId }) => userId);
  const names = people.map(({ username }) => username);
  return [ids, names, people[0]?.role ?? 'user', passwordHash];
}
