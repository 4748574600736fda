import { APP_LEASE, asOfPolicy, type Duration, type Millis, WORKER_LEASE } from '@presence/domain';

/** All moments are milliseconds since the simulation began, by the one true clock. */
export type FaultKind =
  | 'broker'
  | 'workers'
  | 'database'
  | 'apis'
  | 'api cut from the broker'
  | 'api crash'
  | 'worker crash'
  | 'worker stuck'
  | 'row locked'
  | 'clocks step';

export interface Fault {
  readonly kind: FaultKind;
  readonly at: Millis;
  /** When the part is back. A crashed API never is; its fault lasts no time. */
  readonly until: Millis;
  /** Which API or worker it is; whose row is locked; by how much clocks step. */
  readonly which: number;
}

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly users: number;
  readonly hours: number;
  /** How long a visit lasts, and how long until the next, on average. */
  readonly visit: Duration;
  readonly gap: Duration;
  /** Whether people come by day more than by night. */
  readonly daily: boolean;
  /** Chances: that a visit has a second device; that it ends by logout, not without a word. */
  readonly secondDevice: number;
  readonly logout: number;
  /** Chance that a request of a session is under way, to another API, while it logs out. */
  readonly straggler: number;
  /** Chance that a heartbeat is lost between its device and the API. */
  readonly loss: number;
  /** Chances by message: that it is delivered again; that it is committed up to `lateBy` late. */
  readonly again: number;
  readonly late: number;
  readonly lateBy: Duration;
  readonly apis: number;
  readonly workers: number;
  /** How many of the APIs are services of others, which publish without word of progress. */
  readonly others: number;
  /** By how much each API's and each worker's clock is ahead; repeated where there are more. */
  readonly skew: readonly Duration[];
  readonly faults: readonly Fault[];
  /** How often an API cuts its time: the real one does so 40 ms after an event; rarer is faster. */
  readonly cutEvery: Duration;
}

export const HEARTBEAT_INTERVAL: Duration = 30_000;
export const OFFLINE_AFTER: Duration = 110_000;
export const MAX_CLOCK_SKEW: Duration = 15_000;
export const HORIZON: Duration = 60_000;
/** What the contract allows the whole pipeline while all is well. */
export const PIPELINE_DELAY: Duration = 2_000;
/** What it allows after a part has come back. */
export const RECOVERY: Duration = 5_000;
export const AS_OF_POLICY = asOfPolicy(HEARTBEAT_INTERVAL, MAX_CLOCK_SKEW);

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

const DAY_USERS = 100_000;
const SMALL: Omit<Scenario, 'name' | 'about'> = {
  users: 400,
  hours: 1,
  visit: 12 * MINUTE,
  gap: 10 * MINUTE,
  daily: false,
  secondDevice: 0.3,
  logout: 0.4,
  straggler: 0.2,
  loss: 0.01,
  again: 0.02,
  late: 0.02,
  lateBy: 2 * SECOND,
  apis: 2,
  workers: 2,
  others: 0,
  skew: [0, 40, -30],
  faults: [],
  cutEvery: 100,
};

function small(name: string, about: string, changes: Partial<Scenario> = {}): Scenario {
  return { ...SMALL, name, about, ...changes };
}

/** A fault that begins after the given part of the run. */
export function fault(
  kind: FaultKind,
  part: number,
  minutes: number,
  { hours = SMALL.hours, which = 0 }: { hours?: number; which?: number } = {},
): Fault {
  const at = Math.round(part * hours * HOUR);
  return { kind, at, until: at + Math.round(minutes * MINUTE), which };
}

/** A day on which every part fails once. */
export function day(hours = 24): Scenario {
  const minutes = Math.min(10, hours * 2);
  const away = (kind: FaultKind, part: number, which = 0) =>
    fault(kind, part, kind === 'api crash' ? 0 : minutes, { hours, which });
  return small('day', 'a day on which each part fails once', {
    users: DAY_USERS,
    hours,
    visit: 30 * MINUTE,
    gap: 330 * MINUTE,
    daily: hours >= 12,
    secondDevice: 0.1,
    apis: 3,
    cutEvery: 500,
    faults: [
      away('broker', 9 / 24),
      away('workers', 12 / 24),
      away('database', 15 / 24),
      away('api cut from the broker', 18 / 24, 1),
      away('worker stuck', 20 / 24, 1),
      away('api crash', 21.5 / 24, 2),
    ],
  });
}

export const SCENARIOS: readonly Scenario[] = [
  day(),
  small('quiet', 'all is well'),
  small('loss', 'one heartbeat in five is lost', { loss: 0.2 }),
  small('late', 'messages come late, twice, and in any order', {
    again: 0.3,
    late: 0.4,
    lateBy: 6 * SECOND,
    workers: 4,
  }),
  small('logouts', 'short visits on two devices, requests in flight while logging out', {
    visit: 3 * MINUTE,
    gap: 3 * MINUTE,
    logout: 0.9,
    straggler: 0.9,
    secondDevice: 0.6,
  }),
  small('broker', 'the broker is away', { faults: [fault('broker', 1 / 3, 10)] }),
  small('workers', 'all workers are away', { faults: [fault('workers', 1 / 3, 10)] }),
  small('database', 'Postgres is away', { faults: [fault('database', 1 / 3, 10)] }),
  small('broker-and-database', 'both are away, for longer than leases last', {
    faults: [fault('broker', 1 / 3, 10), fault('database', 1 / 3, 10)],
  }),
  small('api-cut', 'one of two APIs is cut from the broker', {
    faults: [fault('api cut from the broker', 1 / 3, 10, { which: 1 })],
  }),
  small('apis', 'all APIs are away at once, for less than a lease lasts, and for longer', {
    loss: 0.05,
    faults: [fault('apis', 1 / 4, 55 / 60), fault('apis', 1 / 2, 10)],
  }),
  small('api-crash', 'one of two APIs crashes and stays away', {
    faults: [fault('api crash', 1 / 3, 0, { which: 1 })],
  }),
  small('worker-crashes', 'workers are killed, one after the other', {
    faults: [0.2, 0.3, 0.4, 0.5, 0.6].map((part, at) =>
      fault('worker crash', part, 0.2, { which: at % 2 }),
    ),
  }),
  small('worker-stuck', 'one of two workers cannot commit while the other runs ahead', {
    faults: [fault('worker stuck', 1 / 3, 5, { which: 1 })],
  }),
  small('row-locked', "one user's row is locked for minutes, now this one's, now that one's", {
    // So that words of others travel with those that have to wait.
    users: 800,
    cutEvery: SECOND,
    faults: [1, 2, 3, 4, 5, 6].map((which) =>
      fault('row locked', which * 0.15 - 0.07, 5, { which }),
    ),
  }),
  small('other-services', 'all words but logins come from services that keep no count', {
    others: 2,
    faults: [
      fault('workers', 0.2, 10),
      fault('worker stuck', 0.6, 5, { which: 1 }),
      fault('worker crash', 0.8, 0.2),
    ],
  }),
  small('clocks', 'clocks differ by 10 s, and all of them step ahead by 10 s, and back', {
    skew: [4 * SECOND, -6 * SECOND, 0],
    faults: [fault('clocks step', 1 / 3, 10, { which: 10 * SECOND })],
  }),
  small('two-outages', 'the broker fails again before anybody has recovered', {
    faults: [fault('broker', 1 / 3, 3), fault('broker', 1 / 3 + 3.5 / 60, 4)],
  }),
];

/** When, because of a fault, words cannot get through, and silence cannot be told from an outage. */
export interface FaultWindow {
  readonly from: Millis;
  readonly wordsUntil: Millis;
  readonly silenceUntil: Millis;
  /** The one user whose words are kept from getting through; else everybody's are. */
  readonly only?: number;
}

export function faultWindow({ kind, at, until, which }: Fault): FaultWindow {
  // The dead are waited for from their death on; those that follow them hold nothing up.
  const wordsUntil = (kind === 'apis' ? at : until) + RECOVERY;
  const silenceUntil = wordsUntil + standstill(kind, which) + AS_OF_POLICY.hold;
  const window = { from: at - PIPELINE_DELAY, wordsUntil, silenceUntil };
  return kind === 'row locked' ? { ...window, only: which } : window;
}

/** How far apart two clocks can be, one of them read before a step and one after. */
export function spread({ skew, faults }: Scenario): Duration {
  const steps = faults.filter(({ kind }) => kind === 'clocks step').map(({ which }) => which);
  return Math.max(...skew) - Math.min(...skew) + Math.max(0, ...steps);
}

/** How long as-of may stand after a fault before the pipeline counts as whole again. */
function standstill(kind: FaultKind, which: number): Duration {
  switch (kind) {
    case 'api crash':
    case 'apis':
    case 'database': // An API without broker and database gives itself up; its old life is waited for.
      return APP_LEASE;
    case 'workers':
    case 'worker crash':
      return WORKER_LEASE;
    case 'clocks step':
      return which;
    default:
      return 0;
  }
}
