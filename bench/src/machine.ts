import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import type { Stage } from './stage.js';

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
}

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
  };
}

function busy(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
}

export function machineText(machine: Machine): string {
  const { processor, cores, gigabytes, node, postgres, rabbitmq, load, loadBefore } = machine;
  return [
    `${cores} × ${processor}, ${gigabytes} GB; Node ${node}, PostgreSQL ${postgres}, `,
    `RabbitMQ ${rabbitmq}, ${load}; load ${loadBefore} beforehand\n`,
  ].join('');
}
