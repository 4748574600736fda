import type { Identity, Profile, User, UserId } from '../user.js';

export interface Credentials {
  readonly user: User;
  /** By whose tokens the user is known: ours, until somebody configures another first issuer. */
  readonly issuer: string;
  /** As the {@link PasswordHasher} made it. */
  readonly passwordHash: string;
}

export interface NewUser extends Profile {
  readonly passwordHash: string;
}

/** Identities: who there is, not how they are. @throws Unavailable */
export interface UserStore {
  /** @throws UsernameTaken */
  add(user: NewUser): Promise<User>;
  /** Users that may log in with a password; usernames are compared exactly. */
  credentials(username: string): Promise<Credentials | null>;
  /**
   * The user behind a token, or `null`. A profile that its issuer has changed is taken over.
   * @throws RowRefused where the database does not take a new user
   */
  find(identity: Identity, profile: Profile | null): Promise<User | null>;
  /** Whom our own tokens name by this number, or `null`: another issuer's number may be the same. */
  ownUser(userId: UserId): Promise<User | null>;
  /**
   * By name one of those who log in with a password, by id whoever it is.
   * @returns whether there was one.
   */
  remove(user: string | UserId): Promise<boolean>;
  /** @returns whether there was one. */
  setPassword(username: string, passwordHash: string): Promise<boolean>;
  /** In order of id, a page at a time. */
  list(after: UserId, limit: number): Promise<User[]>;
}
