import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { Direction } from '@presence/test-services/system';
import type { Call, Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import type { RunningApi } from '../system.js';
import type { Trial } from '../trial.js';

const PEOPLE = 20;
/** Long enough for all of them to be under way; an API tells them 503 after 2 s. */
const UNDER_WAY = 500;

/**
 * What the API sends to the broker is held; or the broker's confirmations are, and then the event
 * is applied although nobody was told so. Login and logout need no broker: theirs are promised.
 */
export const KILLED_BEFORE_CONFIRM: FaultCase = {
  number: 1,
  fault: 'kill -9 API before a confirm',
  did: `its way to the broker, then back, is held; kill -9 with ${PEOPLE} statuses under way`,
  shape: { apis: 1 },
  run: async (trial) => {
    const { system } = trial;
    const other = system.apis[0]!.url;
    await trial.load({ addresses: () => [other] });
    for (const direction of ['toServer', 'toClient'] as const) {
      await killUnconfirmed(trial, direction, other);
    }
    await trial.mended();
  },
};

async function killUnconfirmed(trial: Trial, held: Direction, other: string): Promise<void> {
  const { system, caller } = trial;
  const people = await trial.people(PEOPLE);
  const [leaving, beating] = [await trial.people(3), await trial.people(3)];
  const api = await system.startApi({ ways: true });
  const began = Date.now();
  api.ways!.broker.hold(held);
  const promised = await Promise.all(leaving.map((who) => caller.logout(api.url, who)));
  await Promise.all(beating.map((who) => caller.heartbeat(api.url, who)));
  const unanswered = setAway(trial, api.url, people);
  await wait(UNDER_WAY);
  await endBehindItsWay(trial, api, began);
  const told = (await unanswered).filter((answer) => answer !== null);
  const codes = [...new Set(told.map(({ code }) => code))].join(', ');
  trial.require(told.length === 0, `${told.length} statuses were told ${codes} before the kill`);
  requireAll(trial, promised, 'a logout');
  requireAll(trial, await setAway(trial, other, people), 'a status, tried again,');
}

/** What is held on its way never gets there. */
async function endBehindItsWay({ system }: Trial, api: RunningApi, since: number): Promise<void> {
  await system.killApi(api, since);
  api.ways!.broker.cut();
}

function requireAll(trial: Trial, answers: readonly (Call | null)[], what: string): void {
  const other = answers.find((answer) => answer?.code !== 200);
  trial.require(other === undefined, `${what} was answered ${other?.code ?? 'not at all'}`);
}

/** Long enough for a confirmation, and shorter than an admin is kept waiting for the commit. */
const CONFIRMED_AFTER = 1_000;
const APPLIED_WITHIN = 5_000;

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
    const userIds = people.map(({ userId }) => userId);
    let away = 0;
    const areAway = async () => {
      const { rows } = await system.database.rows(userIds);
      away = [...rows.values()].filter(({ shown }) => shown === 'away').length;
      return away === PEOPLE;
    };
    // One worker may be well, and the other still be writing its half.
    await eventually(areAway, { within: APPLIED_WITHIN }).catch(() => {}); // Told next, by number.
    trial.require(away === PEOPLE, `${away} of ${PEOPLE} are applied: the others had no confirm`);
    requireAll(trial, await setAll(system.addresses()[0]!), 'a status, tried again,');
  },
};

async function setAway(
  trial: Trial,
  api: string,
  people: readonly Someone[],
): Promise<(Call | null)[]> {
  const admin = await trial.admin();
  return Promise.all(people.map((who) => trial.caller.set(api, admin, who, 'away')));
}
