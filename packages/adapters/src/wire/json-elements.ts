const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * The texts of an array's elements, in `text` that is known to be a JSON array. Writing them anew
 * would change them: numbers lose digits, repeated keys disappear, deep nesting overflows the stack.
 */
export function elementTexts(text: string): string[] {
  const elements: string[] = [];
  let start = text.indexOf('[') + 1;
  let depth = 0;
  for (let at = start - 1; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (OPENING.has(unit)) depth++;
    else if (CLOSING.has(unit)) depth--;
    const ends = (unit === COMMA && depth === 1) || (depth === 0 && CLOSING.has(unit));
    if (!ends) continue;
    elements.push(text.slice(start, at).trim());
    start = at + 1;
  }
  return elements;
}

function endOfString(text: string, opening: number): number {
  let at = opening + 1;
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}
