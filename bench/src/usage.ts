import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in ticks, 100 a second wherever Node runs. */
const TICKS = 100;
const PAGE = 4_096;

interface Stat {
  readonly parent: number;
  readonly ticks: number;
}

/**
 * What processes and all that they have started used so far, children that have ended included,
 * in seconds of one processor.
 */
export function cpuSeconds(roots: readonly number[]): number {
  const ticks = families(roots).reduce((sum, pid) => sum + (statOf(pid)?.ticks ?? 0), 0);
  return ticks / TICKS;
}

/** What one process holds in memory, in bytes. */
export function residentBytes(pid: number): number {
  const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1];
  return Number(pages) * PAGE;
}

function families(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const parent = Number.isInteger(pid) ? statOf(pid)?.parent : undefined;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const all = new Set(roots);
  for (const pid of all) for (const child of children.get(pid) ?? []) all.add(child);
  return [...all];
}

/** proc(5): the name of a program, in brackets, may hold anything; what follows is numbers. */
function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return undefined; // It has ended.
  }
}
