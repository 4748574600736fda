import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import type { Stage } from './stage.js';
import { median } from './statistics.js';

/** What the figures were taken on. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly gigabytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly postgres: string;
  readonly rabbitmq: string;
  readonly load: string;
  /** Processes that wanted a processor, over the last minute before the first measurement. */
  readonly loadBefore: number;
  /** Nanoseconds that a read somewhere in 16 MB takes, before the first measurement. */
  readonly randomRead: number;
  /** How evenly a thread that is never idle gets on, before the first measurement. */
  readonly unsteadiness: Unsteadiness;
}

/** Phases in which a processor makes less than half of what it mostly does. */
export interface Unsteadiness {
  /** What part of the time they take. */
  readonly share: number;
  /** Milliseconds. */
  readonly longest: number;
}

/** More than a processor has for itself, less than it shares with its neighbours. */
const ROOM = 16 * 2 ** 20;
const READS = 1_000_000;
const TRIES = 5;
/** Of a fifth of a millisecond or so. */
const PIECES = 20_000;
const PIECES_UNCOUNTED = 3_000;
/** Milliseconds: shorter ones are collections of garbage, and somebody else's turn. */
const PHASE = 5;

export async function machineOf(stage: Stage, load: string): Promise<Machine> {
  const { rows } = await stage.pool.query<{ server_version: string }>('SHOW server_version');
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    gigabytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    postgres: rows[0]!.server_version.split(' ')[0]!,
    rabbitmq: (await stage.broker.ctl('version')).trim(),
    load,
    loadBefore: busy(),
    randomRead: randomRead(),
    unsteadiness: unsteadinessOf(pieces()),
  };
}

function busy(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
}

/**
 * Each read tells where the next one is. What the neighbours of a shared machine leave of caches and
 * memory tells it from another by more than its processor does: bare Koa has made 29,645 requests a
 * second on one with two processors, and 9,000 on another.
 */
function randomRead(): number {
  const next = randomCycle(ROOM / Uint32Array.BYTES_PER_ELEMENT);
  let place = 0;
  const took = Array.from({ length: TRIES }, () => {
    const began = performance.now();
    for (let read = 0; read < READS; read++) place = next[place]!;
    return ((performance.now() - began) * 1e6) / READS;
  });
  return Math.round(median(took));
}

/** Sattolo's: whoever follows it from anywhere comes through all of it. */
export function randomCycle(length: number): Uint32Array {
  const next = Uint32Array.from({ length }, (_, at) => at);
  for (let at = length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * at);
    [next[at], next[other]] = [next[other]!, next[at]!];
  }
  return next;
}

/**
 * The same piece of work again and again, of the kind that servers have: it makes garbage. One on a
 * shared machine makes half of it, or a fifth, for 20 to 100 ms at a time, with nobody else in sight:
 * there bare Koa, alone and at 5,000 requests a second, had a p99 of 4 to 25 ms.
 * @returns how many milliseconds each took
 */
function pieces(): number[] {
  const text = JSON.stringify({
    message: 'x'.repeat(40),
    status: 'online',
    list: [1, 2, { a: 3 }],
  });
  const took: number[] = [];
  for (let piece = -PIECES_UNCOUNTED; piece < PIECES; piece++) {
    const began = performance.now();
    for (let turn = 0; turn < 100; turn++) JSON.stringify({ ...JSON.parse(text), turn });
    if (piece >= 0) took.push(performance.now() - began);
  }
  return took;
}

/** @param took by pieces of equal work, in the order in which they were done */
export function unsteadinessOf(took: readonly number[]): Unsteadiness {
  const slow = 2 * median(took);
  const phases: number[] = [];
  let phase = 0;
  for (const piece of [...took, 0]) {
    if (piece > slow) phase += piece;
    else {
      if (phase >= PHASE) phases.push(phase);
      phase = 0;
    }
  }
  const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);
  return { share: sum(phases) / sum(took), longest: Math.max(0, ...phases) };
}

export function machineText(machine: Machine): string {
  const { processor, cores, gigabytes, node, postgres, rabbitmq, load } = machine;
  const { share, longest } = machine.unsteadiness;
  return [
    `${cores} × ${processor}, ${gigabytes} GB; Node ${node}, PostgreSQL ${postgres}, `,
    `RabbitMQ ${rabbitmq}, ${load}; beforehand load ${machine.loadBefore}, `,
    `${machine.randomRead} ns a random read in 16 MB, at less than half its speed for `,
    `${(100 * share).toFixed(1)} % of the time, up to ${Math.round(longest)} ms at once\n`,
  ].join('');
}
