import { Unavailable } from '@presence/domain';
import { isService } from './authentication.js';
import type { Caller } from './context.js';
import { forbidden, unauthorized } from './problem.js';
import type { ServingSettings } from './settings.js';

/**
 * Who may take a route. A `user` is a person: a service has no presence of its own. A `reader` is
 * an admin or a service, and with `adminAccess` `read` everybody; an `admin` is one by role, and
 * with `authenticated` everybody but services, which only ever read.
 */
export type Access = 'anyone' | 'user' | 'reader' | 'admin';

type AccessSettings = Pick<ServingSettings, 'adminAccess'>;

/** Whatever an issuer calls it: the verifier translates. */
const ADMIN_ROLE = 'admin';

/**
 * @throws ProblemError 401 without a token, 403 where the token's role does not reach; Unavailable
 *   where it cannot be known now whose token it is, and so whether the session has ended: that does
 *   not let anybody read of others
 */
export function assertAccess(
  access: Access,
  caller: Caller | undefined,
  settings: AccessSettings,
): void {
  if (access === 'anyone') return;
  if (caller === undefined)
    throw unauthorized('Send an access token: Authorization: Bearer <token>.');
  if (!mayAccess(access, caller, settings)) throw forbidden(REFUSALS[access]);
  if (access !== 'user' && isUnresolved(caller)) throw new Unavailable('database');
}

function isUnresolved({ user, userId }: Caller): boolean {
  return user !== null && userId === null;
}

/** Whether lists show a caller the e-mail addresses and roles of others. */
export function seesProfiles(caller: Caller | undefined, settings: AccessSettings): boolean {
  if (settings.adminAccess !== 'read' || caller === undefined) return true;
  return isService(caller.token) || caller.token.role === ADMIN_ROLE;
}

const REFUSALS = {
  user: 'A service has no presence of its own.',
  reader: 'Only an admin may read this.',
  admin: 'Only an admin may do this.',
} as const;

function mayAccess(
  access: Exclude<Access, 'anyone'>,
  { token }: Caller,
  { adminAccess }: AccessSettings,
): boolean {
  if (isService(token)) return access === 'reader';
  if (access === 'user' || adminAccess === 'authenticated') return true;
  if (access === 'reader' && adminAccess === 'read') return true;
  return token.role === ADMIN_ROLE;
}
