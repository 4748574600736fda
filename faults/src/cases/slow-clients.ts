import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { FaultCase } from '../fault-case.js';
import { type Load, milliseconds } from '../load.js';
import type { Trial } from '../trial.js';

const CLIENTS = 1_000;
const DRIP_EVERY = 1_000;
/** What the API gives a request to arrive, the second between two looks, and one for the way. */
const TOLD_WITHIN = 15_000 + 1_000 + 1_000;
const HUNG_UP_AFTER = 30_000;

const HEAD =
  'POST /api/users/login/ HTTP/1.1\r\nhost: presence\r\ncontent-type: application/json\r\n';

/** What a client sends at once, and then letter by letter. */
const BEGINNINGS = [
  { sent: HEAD.slice(0, 40), dripped: '' },
  { sent: `${HEAD}content-length: 2000\r\n\r\n{"username":`, dripped: '' },
  { sent: HEAD, dripped: 'x-slow: and slower still' },
  { sent: `${HEAD}content-length: 2000\r\n\r\n`, dripped: '{"username": "nobody knows"' },
];

/** What a client with half a request has learned. */
interface Told {
  readonly code: number | null;
  /** Milliseconds since it connected. */
  readonly after: number;
}

export const SLOW_CLIENTS: FaultCase = {
  number: 28,
  fault: 'slow client: 1,000 half-open requests',
  did: 'half a head, half a body, and both letter by letter, at one API',
  shape: { apis: 1, workers: 1 },
  run: async (trial) => {
    const load = await trial.load();
    const url = new URL(trial.system.addresses()[0]!);
    const sockets = await Promise.all(Array.from({ length: CLIENTS }, () => open(url)));
    load.tallies.heartbeat.took.get(200)?.reset();
    load.live.reset();
    const before = { served: load.served, began: performance.now() };
    const told = await Promise.all(sockets.map(linger));
    requireTold(trial, told);
    requireServed(trial, load, before);
    await trial.mended();
  },
};

async function open({ port, hostname }: URL): Promise<Socket> {
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  return socket;
}

/** Never finishes its request. @returns what it is told */
function linger(socket: Socket, at: number): Promise<Told> {
  const { sent, dripped } = BEGINNINGS[at % BEGINNINGS.length]!;
  const began = performance.now();
  const letters = [...dripped];
  let answer = '';
  let after: number | undefined;
  socket.write(sent);
  const drip = setInterval(() => {
    const letter = letters.shift();
    if (letter !== undefined && after === undefined) socket.write(letter);
  }, DRIP_EVERY);
  socket.setTimeout(HUNG_UP_AFTER, () => socket.destroy());
  socket.on('error', () => {}); // 'close' follows.
  socket.on('data', (bytes) => {
    after ??= performance.now() - began;
    answer += bytes.toString();
  });
  return new Promise((resolve) => {
    socket.on('close', () => {
      clearInterval(drip);
      const code = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
      resolve({ code: code === undefined ? null : Number(code), after: after ?? Infinity });
    });
  });
}

function requireTold(trial: Trial, told: readonly Told[]): void {
  const others = told.filter(({ code }) => code !== 408);
  trial.require(others.length === 0, `${others.length} were told ${others[0]?.code}, not 408`);
  const last = Math.max(...told.map(({ after }) => after));
  trial.require(last <= TOLD_WITHIN, `the last 408 came after ${last.toFixed(0)} ms`);
  trial.note(`${told.length} clients were told 408 within ${(last / 1_000).toFixed(1)} s`);
}

/** Everybody else, at the rate at which they spoke all along. */
function requireServed(
  trial: Trial,
  { served, tallies, live }: Load,
  before: { served: number; began: number },
): void {
  const seconds = (performance.now() - before.began) / 1_000;
  const meanwhile = (served - before.served) / seconds;
  trial.note(`${meanwhile.toFixed(0)} others a second were served meanwhile`);
  trial.require(meanwhile > 50, `${meanwhile.toFixed(0)} of 110 others a second were served`);
  for (const [kind, { codes, took }] of Object.entries(tallies)) {
    const failed = [...codes].filter(([code]) => code !== 200);
    trial.require(failed.length === 0, `${kind}: ${failed.map(String).join('; ')}`);
    if (kind === 'heartbeat') {
      const p99 = milliseconds(took.get(200), 99);
      trial.note(`p99 of a heartbeat ${p99} ms, of /health/live ${milliseconds(live, 99)} ms`);
    }
  }
}
