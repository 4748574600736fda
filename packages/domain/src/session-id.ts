/** Names one login of one user. Any text without NUL, 1 to 255 characters; `''` stands for none. */
export type SessionId = string;

export const NO_SESSION: SessionId = '';

/**
 * Orders session ids by their UTF-8 bytes, as PostgreSQL's collation "C" does.
 * UTF-8 keeps the order of code points; UTF-16, which `<` compares, does not above U+FFFF.
 */
export function compareSessionIds(a: SessionId, b: SessionId): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === length) return a.length - b.length;
  return codePointRank(a.charCodeAt(at)) - codePointRank(b.charCodeAt(at));
}

/** Lifts the surrogates, which stand for the code points above U+FFFF, over U+E000 to U+FFFF. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
