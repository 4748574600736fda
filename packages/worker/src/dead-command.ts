import { printable, printableJson } from '@presence/adapters/process';
import {
  DEAD_LETTER_WINDOW,
  type DeadLetter,
  type DeadLetterQueue,
  type ReplayedMessage,
} from '@presence/adapters/rabbitmq';
import type { Millis } from '@presence/domain';
import type { DeadOptions } from './dead-options.js';
import { replayOf } from './dead-replay.js';
import {
  bodyText,
  counted,
  countsText,
  excerpt,
  letterJson,
  table,
  timeText,
} from './dead-text.js';

export interface DeadWorld {
  readonly queue: Pick<DeadLetterQueue, 'waiting' | 'letters' | 'replay' | 'discard' | 'purge'>;
  readonly now: () => Millis;
  print(text: string): void;
  /** For people, beside what was asked for. */
  tell(text: string): void;
  /** Asks a yes-or-no question. @throws Refused where nobody can be asked */
  confirm(question: string): Promise<boolean>;
}

/** What was asked for could not be done; the message says why. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

const LISTED = 100;
/** Letters whose events are on their way at once. */
const REPLAYED_AT_ONCE = 100;
const MISMATCH = 'routing_key_mismatch';
/** Since RabbitMQ 4 a message is dropped after 20 deliveries, unless a policy says otherwise. */
const MANY_LOOKS = 10;

const COMMANDS = { list, show, replay, purge };

/** @throws Refused, Unavailable */
export async function runDeadCommand(
  world: DeadWorld,
  options: DeadOptions & { readonly command: keyof typeof COMMANDS },
): Promise<void> {
  await COMMANDS[options.command](world, options);
}

async function list(world: DeadWorld, { limit = LISTED, json }: DeadOptions): Promise<void> {
  const total = await world.queue.waiting();
  const reasons = new Map<string, number>();
  const listed: DeadLetter[] = [];
  let looked = 0;
  for await (const letter of world.queue.letters()) {
    looked++;
    count(reasons, letter.reason);
    if (listed.length < limit) listed.push(letter);
  }
  warnOfLooks(world, listed[0]);
  if (json) {
    const letters = listed.map(letterJson);
    printJson(world, { total, counted: looked, reasons: Object.fromEntries(reasons), letters });
  } else world.print(listText(world.now(), total, looked, reasons, listed));
}

function listText(
  now: Millis,
  total: number,
  looked: number,
  reasons: ReadonlyMap<string, number>,
  listed: readonly DeadLetter[],
): string {
  if (looked === 0) return 'There are no dead letters.\n';
  const scope = looked < total ? `Of the oldest ${looked.toLocaleString('en')}, by` : 'By';
  const rows = listed.map(({ number, reason, refusedAt, body }) => [
    String(number),
    timeText(refusedAt, now),
    printable(reason),
    `${body.length.toLocaleString('en')} B`,
    excerpt(body),
  ]);
  const unlisted = looked - listed.length;
  return [
    `${counted(total)}. ${scope} reason:\n`,
    countsText(reasons),
    '\n',
    table([['#', 'refused at', 'reason', 'size', 'event'], ...rows]),
    unlisted > 0 ? `\nThe oldest ${listed.length} are listed; --limit lists more.\n` : '',
    '\nOne whole: npm run dead -- show NUMBER\n',
  ].join('');
}

async function show(world: DeadWorld, { number, json }: DeadOptions): Promise<void> {
  const letter = await letterAt(world, number);
  warnOfLooks(world, letter);
  if (json) return printJson(world, letterJson(letter));
  const { reason, refusedAt, body } = letter;
  world.print(
    `Letter ${number}, ${printable(reason)}, ${timeText(refusedAt, world.now())}, ` +
      `${body.length.toLocaleString('en')} bytes:\n\n${bodyText(body)}\n`,
  );
}

async function letterAt({ queue }: DeadWorld, number: number): Promise<DeadLetter> {
  let looked = 0;
  for await (const letter of queue.letters()) {
    if (letter.number === number) return letter;
    looked++;
  }
  throw new Refused(
    looked === 0
      ? 'There are no dead letters.'
      : `There is no letter ${number}: the queue holds ${looked.toLocaleString('en')}.`,
  );
}

/** What has become of the letters that were looked at. */
interface Replayed {
  looked: number;
  replayed: number;
  readonly staying: Map<string, number>;
}

async function replay(world: DeadWorld, options: DeadOptions): Promise<void> {
  const total = await world.queue.waiting();
  const result: Replayed = { looked: 0, replayed: 0, staying: new Map() };
  try {
    await replayEach(world, options, result);
  } catch (error) {
    world.tell(`${counted(result.replayed)} replayed so far; all others are where they were.\n`);
    throw error;
  }
  const { looked, replayed, staying } = result;
  if (options.json) {
    printJson(world, { total, looked, replayed, staying: Object.fromEntries(staying) });
  } else world.print(replayedText(result, options, total));
}

async function replayEach(
  world: DeadWorld,
  { reason, limit = Number.POSITIVE_INFINITY }: DeadOptions,
  result: Replayed,
): Promise<void> {
  let going: Promise<unknown>[] = [];
  const settle = async () => {
    const failures = (await Promise.all(going)).filter((failure) => failure !== undefined);
    result.replayed += going.length - failures.length;
    going = [];
    if (failures.length > 0) throw failures[0];
  };
  for await (const letter of world.queue.letters()) {
    result.looked++;
    const messages = replayable(letter, reason, world.now());
    if (messages === undefined) continue;
    if (typeof messages === 'string') count(result.staying, messages);
    else going.push(failureOf(world.queue.replay(letter, messages)));
    if (going.length === REPLAYED_AT_ONCE) await settle();
    if (result.replayed + going.length >= limit) break;
  }
  await settle();
}

/** A rejection that nobody awaits yet would end the process. */
function failureOf(work: Promise<void>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** @returns `undefined` for a letter that was not asked for; a text where it cannot be replayed. */
function replayable(
  letter: DeadLetter,
  reason: string | undefined,
  now: Millis,
): readonly ReplayedMessage[] | string | undefined {
  if (reason !== undefined && letter.reason !== reason) return undefined;
  const messages = replayOf(letter, now);
  // Under the key that fits it would pass by the topic permissions that its sender has.
  if (typeof messages !== 'string' && reason === undefined && isMisplaced(letter, messages)) {
    return `${MISMATCH}: look whether its sender may say it, then replay --reason ${printable(letter.reason)}`;
  }
  return messages;
}

/** What the broker has refused, nobody has judged yet: its key is still there. */
function isMisplaced(letter: DeadLetter, messages: readonly ReplayedMessage[]): boolean {
  if (letter.reason === MISMATCH) return true;
  if (letter.routingKey === '') return false;
  return messages.some(({ routingKey }) => routingKey !== letter.routingKey);
}

function replayedText(
  { looked, replayed, staying }: Replayed,
  { reason, limit }: DeadOptions,
  total: number,
): string {
  const stay = [...staying.values()].reduce((sum, each) => sum + each, 0);
  if (replayed + stay === 0) return `${noneText(reason)}\n`;
  const isCutShort = looked < total && replayed !== limit;
  return [
    `${counted(replayed)} replayed.\n`,
    stay > 0 ? `${counted(stay)} ${stay === 1 ? 'stays' : 'stay'}:\n${countsText(staying)}` : '',
    replayed > 0 ? 'What the worker refuses again comes back to the end of the queue.\n' : '',
    isCutShort ? windowText(looked, 'replay') : '',
  ].join('');
}

async function purge(world: DeadWorld, options: DeadOptions): Promise<void> {
  const { reason } = options;
  if (reason === undefined) await purgeAll(world, options);
  else await purgeReason(world, reason, options);
}

async function purgeAll(world: DeadWorld, { yes, json }: DeadOptions): Promise<void> {
  const total = await world.queue.waiting();
  if (total > 0) await agree(world, yes, `Delete all ${counted(total)} for good?`);
  const deleted = total > 0 ? await world.queue.purge() : 0;
  if (json) printJson(world, { total, looked: total, deleted });
  else world.print(total === 0 ? `${noneText(undefined)}\n` : `${counted(deleted)} deleted.\n`);
}

/** Just those that were counted when the question was asked; they are held meanwhile. */
async function purgeReason(
  world: DeadWorld,
  reason: string,
  { yes, json }: DeadOptions,
): Promise<void> {
  const total = await world.queue.waiting();
  const matching: DeadLetter[] = [];
  let looked = 0;
  for await (const letter of world.queue.letters()) {
    looked++;
    if (letter.reason === reason) matching.push(letter);
  }
  const deleted = matching.length;
  if (deleted > 0) {
    await agree(world, yes, `Delete ${counted(deleted)} (${printable(reason)}) for good?`);
  }
  for (const letter of matching) world.queue.discard(letter);
  if (json) return printJson(world, { total, looked, deleted });
  const cutShort = looked < total ? windowText(looked, 'purge') : '';
  const done = deleted === 0 ? noneText(reason) : `${counted(deleted)} deleted.`;
  world.print(`${done}\n${cutShort}`);
}

async function agree({ confirm }: DeadWorld, yes: boolean, question: string): Promise<void> {
  if (!yes && !(await confirm(question))) throw new Refused('Nothing was deleted.');
}

function noneText(reason: string | undefined): string {
  const which = reason === undefined ? '' : ` that were refused as ${printable(reason)}`;
  return `There are no dead letters${which}.`;
}

function windowText(looked: number, command: string): string {
  return looked >= DEAD_LETTER_WINDOW
    ? `Only ${counted(looked)} were looked at: ${DEAD_LETTER_WINDOW.toLocaleString('en')} are held at once. Deal with those that stay, then ${command} again.\n`
    : `Only ${counted(looked)} were looked at; somebody else may hold the others, or they expired.\n`;
}

function warnOfLooks({ tell }: DeadWorld, oldest: DeadLetter | undefined): void {
  if (oldest === undefined || oldest.looks < MANY_LOOKS) return;
  tell(
    `The oldest letter has been looked at ${oldest.looks} times. RabbitMQ 4 and newer drop one ` +
      'after 20, unless the delivery-limit policy of docs/dead-letters.md is in force.\n',
  );
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function printJson({ print }: DeadWorld, value: unknown): void {
  print(`${printableJson(value)}\n`);
}
