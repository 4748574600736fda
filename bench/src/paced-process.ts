import { readFileSync, writeFileSync } from 'node:fs';
import { Connections } from './connections.js';

/** A `Pacer` where there is no compiler: `bench/load/paced.c` in Node. */
const [host, port, requestsFile, file, ...how] = process.argv.slice(2);
const [rate, warmUp, seconds, connections] = how.map(Number) as [number, number, number, number];
const requests = readFileSync(requestsFile!, 'latin1')
  .split('\0')
  .slice(0, -1)
  .map((text) => Buffer.from(text, 'latin1'));
const pool = new Connections(new URL(`http://${host}:${port}`), connections);
const [uncounted, counted] = [warmUp, seconds].map((s) => Math.floor(rate * s)) as [number, number];
const total = uncounted + counted;
const took = new Float64Array(counted);
let answers = 0;

/** @param due when it should go out, by the monotonic clock; what it waits for its turn counts */
function send(turn: number, due: number): void {
  pool.send(requests[turn % requests.length]!, (status) => {
    const succeeded = status === 200;
    if (turn >= uncounted) {
      took[turn - uncounted] = succeeded ? performance.now() - due : Number.POSITIVE_INFINITY;
    }
    if (++answers === total) tell();
  });
}

const began = performance.now();
let sent = 0;

/** Whatever is due by now: where the machine was late, requests are sent late and say so. */
function sendDue(): void {
  const due = Math.min(total, ((performance.now() - began) * rate) / 1_000);
  for (; sent < due; sent++) send(sent, began + (sent * 1_000) / rate);
  if (sent < total) setTimeout(sendDue, 1);
}

function tell(): void {
  const lasted = (performance.now() - began) / 1_000 - warmUp;
  writeFileSync(file!, took);
  process.stdout.write(`${lasted}\n`, () => process.exit());
}

sendDue();
