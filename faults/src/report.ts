import { type CaseResult, countOf, held, verdict } from './lane.js';
import type { FindingKind } from './reckoning.js';

const KINDS: readonly FindingKind[] = ['lost', 'doubled', 'wrong', 'absent'];
const HEAD = [
  ...['case', 'fault', 'what was done', 'acknowledged', 'unanswered'],
  ...['lost', 'doubled', 'wrong', 'absent', 'healthy', 'took', 'verdict'],
];
/** Columns of words; the others are figures. */
const WORDS = 3;
/** How much of a miss is printed; the JSON has all of it. */
const MOST_FINDINGS = 12;

/** The table, and beneath it what was missed and measured. */
export function reportText(results: readonly CaseResult[], hasten: number): string {
  const rows = [HEAD, ...results.map(rowOf)];
  const widths = HEAD.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => pad(cell, widths[at]!, at))
      .join('  ')
      .trimEnd(),
  );
  const missed = results.filter((result) => !held(result));
  return [
    ...lines,
    '',
    ...results.flatMap(notesOf),
    ...missed.flatMap(missesOf),
    ...(hasten === 1 ? [] : [`Long outages were ${hasten} times shorter than they are to be.`]),
    `${results.length - missed.length} of ${results.length} held.`,
    '',
  ].join('\n');
}

export function reportJson(results: readonly CaseResult[], run: object): unknown {
  const cases = results.map((result) => ({
    case: result.fault.number,
    fault: result.fault.fault,
    did: result.fault.did,
    acknowledged: result.acknowledged,
    unanswered: result.unanswered,
    ...Object.fromEntries(KINDS.map((kind) => [kind, countOf(kind, result)])),
    healthy_after_seconds: inSeconds(result.healthyAfter),
    took_seconds: inSeconds(result.took),
    verdict: verdict(result).toLowerCase(),
    notes: result.notes,
    misses: result.misses,
    findings: result.findings,
  }));
  return { ...run, held: results.every(held), cases };
}

function rowOf(result: CaseResult): string[] {
  const { fault, acknowledged, unanswered, healthyAfter, took } = result;
  return [
    ...[String(fault.number), fault.fault, fault.did],
    ...[number(acknowledged), number(unanswered)],
    ...KINDS.map((kind) => number(countOf(kind, result))),
    ...[seconds(healthyAfter), seconds(took), verdict(result)],
  ];
}

function notesOf({ fault, notes }: CaseResult): string[] {
  return notes.map((note) => `${fault.number}: ${note}`);
}

function missesOf({ fault, misses, findings }: CaseResult): string[] {
  const found = findings.map(({ kind, userId, text }) => {
    return `${kind}: ${userId === null ? '' : `user ${userId}: `}${text}`;
  });
  const more = found.length - MOST_FINDINGS;
  return [
    ...[...misses, ...found.slice(0, MOST_FINDINGS)].map(
      (text) => `${fault.number} MISSED ${text}`,
    ),
    ...(more > 0 ? [`${fault.number} MISSED … and ${number(more)} more`] : []),
  ];
}

function pad(cell: string, width: number, column: number): string {
  return column > 0 && column < WORDS ? cell.padEnd(width) : cell.padStart(width);
}

function number(value: number): string {
  return value.toLocaleString('en');
}

function seconds(milliseconds: number | null): string {
  return milliseconds === null ? '–' : `${(milliseconds / 1_000).toFixed(1)} s`;
}

function inSeconds(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.round(milliseconds) / 1_000;
}
