import { Agent } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { Caller, type Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { type Load, milliseconds } from '../load.js';
import type { Trial } from '../trial.js';

const CLIENTS = 10_000;
/** They come gently at first: as many at once. */
const WAVE = 250;
const WINDOW = 1_000;
/** So many windows tell what is normal; as many in a row, that it is again. */
const WINDOWS = 5;
/** A second's p99 is its worst answer but one: what is normal is the worst of a few, and half again. */
const SLACK = 1.5;
/** On a quiet machine it is a few milliseconds, and one hiccup is no storm. */
const LEAST_NORMAL = 100;
const NORMAL_WITHIN = 30_000;
const GIVEN_UP_AFTER = 90_000;
/** A client that gets no answer asks again after a second or two. */
const RETRY = 1_000;

/** Somebody with one connection, kept open. */
class Client {
  readonly #who: Someone;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #caller: Caller;

  constructor(trial: Trial, who: Someone) {
    this.#who = who;
    this.#caller = new Caller(trial.ledger, this.#agent);
  }

  get connected(): boolean {
    return Object.keys(this.#agent.freeSockets).length > 0;
  }

  cut(): void {
    this.#agent.destroy();
  }

  /** @returns whether it is answered 200 */
  async beat(api: string): Promise<boolean> {
    return (await this.#caller.heartbeat(api, this.#who))?.code === 200;
  }
}

/** As when a load balancer is restarted. Others go on with the connections that they have. */
export const CROWD: FaultCase = {
  number: 30,
  fault: '10 k clients reconnect at once',
  did: 'every connection is cut; each client opens another and beats until it is answered',
  run: async (trial) => {
    const clients = (await trial.people(CLIENTS)).map((who) => new Client(trial, who));
    const load = await trial.load({ rate: 100, transitions: 2 });
    await gather(trial, clients);
    const connected = clients.filter((client) => client.connected).length;
    trial.require(connected === CLIENTS, `${connected} clients were connected`);
    const normal = await normalOf(load);
    for (const client of clients) client.cut();
    const began = performance.now();
    const returning = Promise.all(clients.map((client, at) => comeBack(trial, client, at, began)));
    const after = await normalAgain(load, normal, began);
    const back = Math.max(...(await returning));
    for (const client of clients) client.cut();
    report(trial, { normal, after, back });
    await trial.mended();
  },
};

async function gather(trial: Trial, clients: readonly Client[]): Promise<void> {
  for (let from = 0; from < clients.length; from += WAVE) {
    const wave = clients.slice(from, from + WAVE);
    await Promise.all(wave.map((client, at) => client.beat(addressOf(trial, at))));
  }
}

/** @returns after how many milliseconds it was answered */
async function comeBack(trial: Trial, client: Client, at: number, began: number): Promise<number> {
  while (performance.now() - began < GIVEN_UP_AFTER) {
    if (await client.beat(addressOf(trial, at))) return performance.now() - began;
    await wait(RETRY * (1 + trial.random()));
  }
  return Number.POSITIVE_INFINITY;
}

function addressOf({ system }: Trial, at: number): string {
  const addresses = system.addresses();
  return addresses[at % addresses.length]!;
}

/** What nobody's heartbeat takes longer than while all is quiet, in milliseconds. */
async function normalOf(load: Load): Promise<number> {
  await windowOf(load);
  let most = 0;
  for (let window = 0; window < WINDOWS; window++) most = Math.max(most, await windowOf(load));
  return Math.max(LEAST_NORMAL, SLACK * most);
}

/** @returns after how many milliseconds every window was normal */
async function normalAgain(load: Load, normal: number, began: number): Promise<number> {
  let since = performance.now();
  let inRow = 0;
  while (inRow < WINDOWS) {
    if (performance.now() - began > GIVEN_UP_AFTER) return Number.POSITIVE_INFINITY;
    const isNormal = (await windowOf(load)) <= normal;
    inRow = isNormal ? inRow + 1 : 0;
    if (!isNormal) since = performance.now();
  }
  return since - began;
}

/** The p99 of the heartbeats that others send in a second: without one, it is not normal. */
async function windowOf({ tallies }: Load): Promise<number> {
  tallies.heartbeat.took.get(200)?.reset();
  await wait(WINDOW);
  const took = tallies.heartbeat.took.get(200);
  return took === undefined || took.count === 0 ? Number.POSITIVE_INFINITY : milliseconds(took, 99);
}

interface Figures {
  readonly normal: number;
  readonly after: number;
  readonly back: number;
}

function report(trial: Trial, { normal, after, back }: Figures): void {
  const seconds = (milliseconds: number) => `${(milliseconds / 1_000).toFixed(1)} s`;
  trial.note(
    `a second's p99 is normal up to ${normal.toFixed(0)} ms, and is again after ${seconds(after)}; ` +
      `the last client is back after ${seconds(back)}`,
  );
  trial.require(after <= NORMAL_WITHIN, `p99 is normal again after ${seconds(after)}`);
  trial.require(back <= NORMAL_WITHIN, `the last client is back after ${seconds(back)}`);
}
