import type { CommittedStatus, User, UserPresence } from '@presence/domain';
import { formatLastSeen } from './wire-time.js';

/** The fields of a user's presence, as every answer names them. */
export function presenceFields({ status, lastSeen }: CommittedStatus) {
  return {
    online_status: status,
    last_seen: formatLastSeen(lastSeen),
    is_online: status === 'online',
  };
}

export function userFields({ id, username, email, role }: User, presence: CommittedStatus) {
  return { id, username, email, role, ...presenceFields(presence) };
}

/** A user in a list; `profile` says whether with e-mail address and role. */
export function listedUser(user: UserPresence, profile: boolean) {
  if (profile) return userFields(user, user);
  return { id: user.id, username: user.username, ...presenceFields(user) };
}

export function statusFields(user: UserPresence) {
  return { user_id: user.id, username: user.username, ...presenceFields(user) };
}
