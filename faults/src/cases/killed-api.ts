import { setTimeout as wait } from 'node:timers/promises';
import type { Call } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import type { Trial } from '../trial.js';

const PEOPLE = 20;
/** Long enough for a confirmation, and shorter than an admin is kept waiting for the commit. */
const CONFIRMED_AFTER = 1_000;

/**
 * Workers stand still, so what is submitted is confirmed and not answered. The API ends in that
 * moment; nobody knows whether their status is set, and all of them are.
 */
export const KILLED_AFTER_CONFIRM: FaultCase = {
  number: 2,
  fault: 'kill -9 API after the confirm, before the answer',
  did: `kill -9 with ${PEOPLE} statuses confirmed and not answered; tried again`,
  short: true,
  run: async (trial) => {
    const { system } = trial;
    const [first, second] = system.apis;
    await trial.load({ addresses: () => [second!.url] });
    const people = await trial.people(PEOPLE);
    const setAll = (api: string) => setAway(trial, api, people);
    for (const { process } of system.workers) process.signal('SIGSTOP');
    const unanswered = setAll(first!.url);
    await wait(CONFIRMED_AFTER);
    await system.killApi(first!);
    const answers = await unanswered;
    for (const { process } of system.workers) process.signal('SIGCONT');
    const told = answers.filter((answer) => answer !== null).length;
    trial.require(told === 0, `${told} were answered before the kill: it came too late`);
    await trial.mended();
    const { rows } = await system.rows(people.map(({ userId }) => userId));
    const away = [...rows.values()].filter(({ shown }) => shown === 'away').length;
    trial.require(away === PEOPLE, `${away} of ${PEOPLE} are applied: the others had no confirm`);
    const again = await setAll(system.addresses()[0]!);
    trial.require(
      again.every((answer) => answer?.code === 200),
      'a status could not be set again',
    );
  },
};

async function setAway(
  trial: Trial,
  api: string,
  people: Awaited<ReturnType<Trial['people']>>,
): Promise<(Call | null)[]> {
  const admin = await trial.admin();
  return Promise.all(people.map((who) => trial.caller.set(api, admin, who, 'away')));
}
