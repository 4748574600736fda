/**
 * What a terminal would obey instead of show: control characters, C1 included, and what turns the
 * direction of text or hides in it. A line break within a text is shown where it would pretend to
 * be a line of ours.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text that is safe on a terminal, in one line; within JSON it still says the same. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** JSON for programs, in lines, of which a terminal obeys nothing either. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).split('\n').map(printable).join('\n');
}

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');
}

/**
 * What an error says, for people. A name that stands for several addresses fails with an error
 * for each, and one around them that says nothing.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : '';
}
