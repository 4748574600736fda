import { type PasswordHasher, type User, UsernameTaken, type UserStore } from '@presence/domain';

export interface DemoUser {
  readonly username: string;
  readonly password: string;
  readonly role: string;
}

export const DEMO_USER: DemoUser = { username: 'ahmad', password: 'ahmad-demo', role: 'user' };
export const DEMO_ADMIN: DemoUser = { username: 'admin', password: 'admin-demo', role: 'admin' };

/** Makes the two demo users where they are missing; those that are there stay as they are. */
export async function addDemoUsers(users: UserStore, hasher: PasswordHasher): Promise<void> {
  for (const { username, password, role } of [DEMO_USER, DEMO_ADMIN]) {
    if ((await users.credentials(username)) !== null) continue;
    const passwordHash = await hasher.hash(password);
    await addUnlessThere(users, {
      username,
      email: `${username}@example.com`,
      role,
      passwordHash,
    });
  }
}

async function addUnlessThere(users: UserStore, user: Parameters<UserStore['add']>[0]) {
  try {
    await users.add(user);
  } catch (error) {
    if (!(error instanceof UsernameTaken)) throw error; // Another start was faster.
  }
}

/** The demo user as the database has it, or `null` where it was removed, or cannot log in here. */
export async function demoUser(
  users: UserStore,
  { username }: DemoUser,
  ownIssuer: string,
): Promise<User | null> {
  const known = await users.credentials(username);
  return known?.issuer === ownIssuer ? known.user : null;
}
