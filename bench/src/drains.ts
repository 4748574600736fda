import { drain } from './backlog.js';
import { shuffled } from './crowd.js';
import type { Curve, Figure } from './figure.js';
import type { Bench } from './measurement.js';
import type { Stage } from './stage.js';
import { median } from './statistics.js';

/** One worker with a full queue, by one of its settings. */
export interface Drains {
  /** The name of the setting in its environment. */
  readonly setting: string;
  /** What is tried; the default is among them. */
  readonly values: readonly number[];
  readonly usual: number;
  readonly users: number;
  /** Puts into the queue an event of each user. */
  publish(stage: Stage, userIds: readonly number[]): Promise<void>;
  /** What is told of the default. */
  readonly what: string;
  readonly curve: Pick<Curve, 'x' | 'y'>;
}

/** What one worker takes of a full queue, with each value of a setting in turns. */
export async function drains({ stage, quick, say }: Bench, drained: Drains): Promise<Figure[]> {
  const { setting, values, usual, users, publish, what } = drained;
  const rounds = quick ? 1 : 5;
  await stage.addUsers(users, 'online');
  await (await stage.system.startWorker()).end('SIGTERM');
  const rates = values.map((): number[] => []);
  const told = (own: readonly number[]) =>
    values.map((value, at) => `${value}: ${Math.round(own[at]!)}/s`).join(', ');
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < values.length; turn++) {
      const at = (round + turn) % values.length;
      await publish(stage, shuffled(users));
      rates[at]!.push(await drain(stage, users, [{ [setting]: String(values[at]) }]));
    }
    say(`round ${round + 1} of ${rounds}: ${told(rates.map((own) => own.at(-1)!))}`);
  }
  const medians = rates.map(median);
  const points = values.map((value, at): Curve['points'][number] => [value, medians[at]!]);
  const curve = { name: 'one worker', ...drained.curve, points };
  return [{ what, value: medians[values.indexOf(usual)]!, unit: '/s', note: told(medians), curve }];
}
