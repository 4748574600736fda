import { inspect } from 'node:util';
import type { FaultCase } from './fault-case.js';
import type { Sink } from './ledger.js';
import type { Finding, FindingKind } from './reckoning.js';
import { type Shape, System } from './system.js';
import { FoundAmiss, type Outcome, Trial } from './trial.js';

export interface RunOptions {
  readonly seed: number;
  readonly hasten: number;
  readonly brief?: boolean;
  readonly sink: Sink;
  readonly say: (text: string) => void;
}

export interface CaseResult extends Outcome {
  readonly fault: FaultCase;
  /** Milliseconds. */
  readonly took: number;
}

const TOLD_AT_ONCE = 5;

/** Whether all was as it must be. */
export function held({ findings, misses }: CaseResult): boolean {
  return findings.length === 0 && misses.length === 0;
}

export function countOf(kind: FindingKind, { findings }: Pick<CaseResult, 'findings'>): number {
  return findings.filter((finding) => finding.kind === kind).length;
}

/** Runs cases one after the other on one system; one that is left broken is replaced. */
export async function runLane(
  faults: readonly FaultCase[],
  options: RunOptions,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  let system: System | undefined;
  try {
    for (const fault of faults) {
      system ??= await System.start(fault.brokers);
      const result = await runCase(fault, system, options);
      results.push(result);
      options.say(`${fault.number} ${fault.fault}: ${verdict(result)}`);
      for (const what of missedAtFirst(result)) options.say(`${fault.number} ${what}`);
      if (held(result)) continue;
      await system.discard();
      system = undefined;
    }
  } finally {
    await system?.stop();
  }
  return results;
}

/** Brings about one fault, and reckons. Whatever it throws is a miss. */
export async function runCase(
  fault: FaultCase,
  system: System,
  options: RunOptions,
): Promise<CaseResult> {
  const began = performance.now();
  const say = (text: string) => options.say(`${fault.number} ${fault.fault}: ${text}`);
  const trial = new Trial(fault, { ...options, system, say });
  let findings: Finding[] = [];
  try {
    await system.arrange(shapeOf(fault, options.hasten));
    system.listener.heard = [];
    say(fault.did);
    await fault.run(trial);
    findings = await trial.reckon();
    system.assertRunning();
  } catch (error) {
    if (error instanceof FoundAmiss) findings = [...error.findings];
    else trial.require(false, inspect(error));
    await trial.stopLoads();
  }
  return { fault, took: performance.now() - began, ...trial.outcome(findings) };
}

/** Told at once: the table may be half an hour away. */
function missedAtFirst({ misses, findings }: CaseResult): string[] {
  return [...misses, ...findings.map(({ text }) => text)].slice(0, TOLD_AT_ONCE);
}

function shapeOf({ shape = {} }: FaultCase, hasten: number): Shape {
  return typeof shape === 'function' ? shape(hasten) : shape;
}

export function verdict(result: CaseResult): 'held' | 'MISSED' {
  return held(result) ? 'held' : 'MISSED';
}
