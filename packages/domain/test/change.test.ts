import { expiryStep, stepsBetween } from '@presence/domain';
import { expect } from 'chai';
import { EPOCH } from './arbitraries.js';

const POLICY = { offlineAfter: 110_000 };
const SILENT = EPOCH + POLICY.offlineAfter + 1;
const online = { status: 'online', lastSeen: EPOCH } as const;

describe('The steps of visible status', () => {
  it('are none where the status stays', () => {
    const after = { status: 'online', lastSeen: EPOCH + 5 } as const;
    const because = { cause: 'heartbeat', at: EPOCH + 5 } as const;
    expect(stepsBetween(online, after, because, EPOCH + 5, POLICY)).to.deep.equal([]);
  });

  it('are one where an event changes it', () => {
    const after = { status: 'away', lastSeen: EPOCH + 5 } as const;
    const because = { cause: 'heartbeat', at: EPOCH + 5 } as const;
    expect(stepsBetween(online, after, because, EPOCH + 5, POLICY)).to.deep.equal([
      { from: 'online', to: 'away', at: EPOCH + 5, lastSeen: EPOCH + 5, cause: 'heartbeat' },
    ]);
  });

  it('are two where an event finds a silence that no sweep has written', () => {
    const after = { status: 'online', lastSeen: SILENT } as const;
    const because = { cause: 'activity', at: SILENT } as const;
    const expired = EPOCH + POLICY.offlineAfter;
    expect(stepsBetween(online, after, because, SILENT, POLICY)).to.deep.equal([
      { from: 'online', to: 'offline', at: expired, lastSeen: EPOCH, cause: 'expired' },
      { from: 'offline', to: 'online', at: SILENT, lastSeen: SILENT, cause: 'activity' },
    ]);
  });

  it('are the expiry alone where the event itself is too old to be shown', () => {
    const after = { status: 'offline', lastSeen: EPOCH } as const;
    const because = { cause: 'logout', at: EPOCH } as const;
    const steps = stepsBetween(online, after, because, SILENT, POLICY);
    expect(steps.map(({ cause }) => cause)).to.deep.equal(['expired']);
  });

  it('are none from never seen to never seen', () => {
    const never = { status: 'offline', lastSeen: null } as const;
    const because = { cause: 'logout', at: EPOCH } as const;
    expect(stepsBetween(never, { ...never, status: 'away' }, because, EPOCH, POLICY)).to.deep.equal(
      [],
    );
    expect(expiryStep({ ...never, status: 'away' }, SILENT, POLICY)).to.equal(undefined);
  });
});
