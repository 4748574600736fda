import type { Wrong } from './ledger.js';
import type { RealResult } from './real.js';
import { type FaultKind, MINUTE, type Scenario } from './scenario.js';
import type { Result } from './simulation.js';

const REASONS = {
  ghosts: {
    silence: 'went without a word, less than OFFLINE_AFTER ago',
    outage: 'went while an outage hid it',
    avoidable: 'AVOIDABLE',
  },
  absences: {
    lost: 'network lost more heartbeats than OFFLINE_AFTER spans',
    turn: 'refused in an outage, then lost the turn that was theirs',
    refused: 'came, or spoke in vain, while no API took requests',
    logout: 'logged out on one device, the other not heard since',
    delay: "heard; within the pipeline's delay",
    outage: 'heard; an outage hid it',
    avoidable: 'AVOIDABLE',
  },
} as const;

/** User-seconds that were shown wrongly without need. */
export function avoidableSeconds({ ghosts, absences }: Wrong): number {
  return (ghosts.avoidable + absences.avoidable) / 1_000;
}

/** One scenario as text, the naive rule beside it. */
export function reportText(result: Result, took: number): string {
  const { scenario, seed, presence, real, naive } = result;
  return [
    `${scenario.name}: ${scenario.about}\n`,
    `  ${number(scenario.users)} users, ${number(scenario.hours)} h, seed ${seed}; `,
    `${number(result.counts.heartbeats)} heartbeats in ${(took / 1_000).toFixed(1)} s\n`,
    ...scenario.faults.map((fault) => `  ${faultText(fault)}\n`),
    ...accountText(presence, real, naive),
    `\n  ${countsText(result)}\n`,
  ].join('');
}

/** All scenarios, a line each. */
export function summaryText(results: readonly Result[]): string {
  const head = `${'avoidable user-seconds'.padEnd(24)}${'presence'.padStart(14)}${'naive rule'.padStart(14)}\n`;
  const rows = results.map(({ scenario, real, naive }) => {
    const [ours, theirs] = [avoidable(real), avoidable(naive)].map(seconds);
    return `${scenario.name.padEnd(24)}${ours!.padStart(14)}${theirs!.padStart(14)}\n`;
  });
  return head + rows.join('');
}

/** The same for programs: times in user-seconds. */
export function reportJson({ scenario, seed, presence, real, naive, counts }: Result): unknown {
  const { name, users, hours, faults } = scenario;
  const wrong = inSeconds({ presence, real, naive });
  return { scenario: name, users, hours, seed, faults, unit: 'user-seconds', ...wrong, counts };
}

/** What the real processes did. */
export function realText(result: RealResult): string {
  const { users, took, presence, real, naive, heartbeats, ...run } = result;
  return [
    `${number(users)} users at real processes for ${seconds(took)} s; `,
    `${number(heartbeats)} heartbeats, ${number(run.refused)} refused, ${number(run.pending)} logouts pending\n`,
    ...run.faults.map(
      ({ name, from, to }) => `  ${seconds(from)} s to ${seconds(to)} s  ${name}\n`,
    ),
    ...accountText(presence, real, naive),
  ].join('');
}

export function realJson({
  users,
  took,
  presence,
  real,
  naive,
  heartbeats,
  refused,
}: RealResult): unknown {
  const wrong = inSeconds({ took, presence, real, naive });
  return { users, unit: 'user-seconds', ...wrong, heartbeats, refused };
}

function inSeconds(value: object): object {
  const toSeconds = (_: string, part: unknown) =>
    typeof part === 'number' ? Math.round(part) / 1_000 : part;
  return JSON.parse(JSON.stringify(value, toSeconds)) as object;
}

export function faultText({ kind, at, until, which }: Scenario['faults'][number]): string {
  const from = clock(at);
  if (kind === 'api crash') return `${from}         ${named(kind, which)}`;
  return `${from} to ${clock(until)}  ${named(kind, which)}`;
}

const NAMES: Readonly<Record<FaultKind, (which: number) => string>> = {
  broker: () => 'broker away',
  workers: () => 'all workers away',
  database: () => 'Postgres away',
  apis: () => 'all APIs away',
  'api cut from the broker': (which) => `API ${which} cut from the broker`,
  'api crash': (which) => `API ${which} crashes`,
  'worker crash': (which) => `worker ${which} crashes`,
  'worker stuck': (which) => `worker ${which} stuck`,
  'row locked': (which) => `row of user ${which} locked`,
  'clocks step': (which) => `all clocks ${which / 1_000} s ahead`,
};

export function named(kind: FaultKind, which: number): string {
  return NAMES[kind](which);
}

/** Both rules' accounts, side by side. */
function accountText(presence: number, real: Wrong, naive: Wrong): string[] {
  const [right, naively] = [real, naive].map((wrong) => accuracy(wrong, presence).padStart(14));
  return [
    `\n  ${''.padEnd(56)}${'presence'.padStart(14)}${'naive rule'.padStart(14)}\n`,
    line('user-seconds there', presence, presence),
    '\n  ghosts: shown online or away, though gone\n',
    ...reasonLines(REASONS.ghosts, real.ghosts, naive.ghosts),
    '\n  false absences: shown offline, though there\n',
    ...reasonLines(REASONS.absences, real.absences, naive.absences),
    '\n',
    line('avoidable user-seconds', avoidable(real), avoidable(naive)),
    `  ${'shown as they could best be known'.padEnd(56)}${right}${naively}\n`,
  ];
}

function reasonLines<K extends string>(
  reasons: Readonly<Record<K, string>>,
  real: Readonly<Record<K, number>>,
  naive: Readonly<Record<K, number>>,
): string[] {
  return (Object.keys(reasons) as K[]).map((key) =>
    line(`  ${reasons[key]}`, real[key], naive[key]),
  );
}

function line(label: string, ...millis: number[]): string {
  const columns = millis.map((value) => seconds(value).padStart(14));
  return `  ${label.padEnd(56)}${columns.join('')}\n`;
}

function countsText({ counts }: Result): string {
  const { logins, logouts, vanished, lost, refused, changes, expiries, longestQueue } = counts;
  return [
    `${number(logins)} logins, ${number(logouts)} logouts, ${number(vanished)} vanished; `,
    `${number(lost)} heartbeats lost, ${number(refused)} requests refused or unanswered;\n  `,
    `${number(changes)} changes announced, ${number(expiries)} of them expiries; `,
    `longest queue ${number(longestQueue)}`,
  ].join('');
}

/** Avoidable wrong time against all time that anybody was there. */
function accuracy(wrong: Wrong, presence: number): string {
  const share = (1 - avoidable(wrong) / presence) * 100;
  return `${share === 100 ? '100' : share.toFixed(3)} %`;
}

function avoidable({ ghosts, absences }: Wrong): number {
  return ghosts.avoidable + absences.avoidable;
}

function seconds(millis: number): string {
  // Never 0 where it is not.
  return number(millis > 0 && millis < 1_000 ? millis / 1_000 : Math.round(millis / 1_000));
}

function number(value: number): string {
  return value.toLocaleString('en');
}

function clock(at: number): string {
  const minutes = Math.round(at / MINUTE);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
