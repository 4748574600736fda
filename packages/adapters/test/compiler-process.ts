import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { compileEarly } from '@presence/adapters/process';

/** Says how many calls of a function it takes until V8 has compiled it well. */
if (process.argv[2] === 'early') compileEarly();
setFlagsFromString('--allow-natives-syntax');
const statusOf = new Function('of', 'return %GetOptimizationStatus(of)') as (of: object) => number;
/** `OptimizationStatus::kOptimized` of V8. */
const OPTIMIZED = 1 << 4;

const parts = ['one', 'two', 'three'];
function work(): number {
  return parts.map((part) => part.length).reduce((sum, length) => sum + length, 0);
}

let calls = 0;
while ((statusOf(work) & OPTIMIZED) === 0) {
  for (let call = 0; call < 5; call++, calls++) work();
  await wait(1); // Another thread compiles it.
}
process.stdout.write(String(calls));
