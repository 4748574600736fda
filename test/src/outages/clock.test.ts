import { setTimeout as wait } from 'node:timers/promises';
import { connect } from 'amqplib';
import { expect } from 'chai';
import { eventually } from '../eventually.js';
import type { Client } from '../system/client.js';
import type { Ledger } from '../system/ledger.js';
import { OutageSystem } from '../system/outage-system.js';

const OFFLINE_AFTER = 11_500;
const INTERVAL = 1_000;
const STEP = 10_000;
const STEPS = [STEP, 0, -STEP, 0, -STEP, 0];
const TALKERS = 20;

/** At each SIGUSR2 the wall clock of the process takes the next step; the monotonic one does not. */
const STEPPING_CLOCK = `
  const real = Date.now; const steps = [${STEPS}]; let offset = 0;
  Date.now = () => real() + offset;
  process.on('SIGUSR2', () => { offset = steps.shift() ?? 0; });`;

describe('A clock that steps by 10 s, of a machine with an API and a worker', function () {
  this.timeout(240_000);
  let system: OutageSystem;
  let ledger: Ledger;
  let talkers: Client[];
  const steppedBack: string[] = [];
  const watching = new AbortController();
  let watch: Promise<void> | undefined;

  before(async () => {
    const clock = `--import=data:text/javascript,${encodeURIComponent(STEPPING_CLOCK)}`;
    const settings = {
      HEARTBEAT_INTERVAL: `${INTERVAL}ms`,
      OFFLINE_AFTER: `${OFFLINE_AFTER}ms`,
      HEARTBEAT_HORIZON: '60s',
    };
    system = await OutageSystem.start(settings, { NODE_OPTIONS: clock });
    const [admin] = await system.addPeople(1, 'admin');
    ledger = system.ledger(admin!.token);
    talkers = await system.arrive(TALKERS);
    await ledger.start();
    ledger.expect(talkers);
    watch = watchLastSeen();
  });

  after(async () => {
    watching.abort();
    await watch;
    await ledger?.stop();
    await system?.stop();
  });

  /** Nobody's `last_seen` ever moves back. */
  async function watchLastSeen(): Promise<void> {
    const known = new Map<number, number>();
    while (!watching.signal.aborted) {
      const rows = await system.query<{ id: number; seen: number }>(
        `SELECT user_id::int AS id, (extract(epoch FROM last_seen) * 1000)::float AS seen
         FROM user_presence WHERE last_seen IS NOT NULL`,
      );
      for (const { id, seen } of rows) {
        if (seen < (known.get(id) ?? 0)) steppedBack.push(`${id}: ${known.get(id)} to ${seen}`);
        known.set(id, seen);
      }
      await wait(100);
    }
  }

  function step(): void {
    system.apis[0]!.process.signal('SIGUSR2');
    system.workers[0]!.signal('SIGUSR2');
  }

  async function refused(): Promise<number> {
    const connection = await connect(system.broker.url);
    const channel = await connection.createChannel();
    const { messageCount } = await channel.checkQueue('presence.dead');
    await connection.close();
    return messageCount;
  }

  /** Who leaves is offline once silence has lasted, give or take a step, and all else, `within`. */
  async function leave(leavers: readonly Client[], within: number): Promise<void> {
    ledger.dismiss(leavers);
    await Promise.all(leavers.map((client) => client.leave()));
    const left = performance.now();
    await eventually(
      async () => {
        system.assertRunning();
        for (const { status } of await system.rows(leavers)) expect(status).to.equal('offline');
      },
      { within, every: 100 },
    );
    expect(performance.now() - left, 'silence').to.be.above(OFFLINE_AFTER - STEP - INTERVAL);
  }

  async function assertUnharmed(): Promise<void> {
    expect(ledger.absences).to.deep.equal([]);
    expect(steppedBack).to.deep.equal([]);
    expect(talkers.flatMap(({ faults }) => faults)).to.deep.equal([]);
    expect(talkers.reduce((sum, { answers }) => sum + answers.refused, 0)).to.equal(0);
    expect(await refused(), 'events refused').to.equal(0);
  }

  it('ahead, back, behind and back: nothing is refused, nobody absent or pinned online, last_seen never moves back', async () => {
    const leavers = await system.arrive(6);
    step();
    await wait(3_000); // Now they were seen in what will be the future.
    const left = leave(leavers, OFFLINE_AFTER + STEP + 5_000);
    for (let at = 1; at < 4; at++) {
      await wait(3_500);
      step();
    }
    await left;
    await assertUnharmed();
  });

  if (Number(process.env.OUTAGE_SECONDS) >= 60) {
    it('behind, and as-of stands until the clock has caught up: expiry goes on all the same', async () => {
      const leavers = await system.arrive(6);
      step();
      await wait(3_000);
      const left = leave(leavers, OFFLINE_AFTER + 2 * STEP + INTERVAL + 10_000);
      await wait(20_000);
      step();
      await left;
      await assertUnharmed();
    });
  }
});
