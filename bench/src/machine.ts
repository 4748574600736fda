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
}

/** More than a processor has for itself, less than it shares with its neighbours. */
const ROOM = 16 * 2 ** 20;
const READS = 1_000_000;
const TRIES = 5;

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

export function machineText(machine: Machine): string {
  const { processor, cores, gigabytes, node, postgres, rabbitmq, load } = machine;
  return [
    `${cores} × ${processor}, ${gigabytes} GB; Node ${node}, PostgreSQL ${postgres}, `,
    `RabbitMQ ${rabbitmq}, ${load}; beforehand load ${machine.loadBefore}, `,
    `${machine.randomRead} ns a random read in 16 MB\n`,
  ].join('');
}
