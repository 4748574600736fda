import type { UserRef } from '@presence/domain';
import type { ApiContext, Caller } from '../context.js';
import { unauthorized } from '../problem.js';

/** The caller of a route that only a person may take; the access check has seen to that. */
export function personOf(ctx: ApiContext): Caller & { readonly user: UserRef } {
  const { caller } = ctx.state;
  if (!caller || caller.user === null) throw unauthorized('Send the access token of a user.');
  return { ...caller, user: caller.user };
}
