import { InvalidCursor } from '@presence/domain';

/** A position in a list, as text that callers hand back unread. */
export function encodeCursor(position: readonly number[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** @throws InvalidCursor unless it names exactly `length` whole numbers. */
export function decodeCursor(cursor: string, length: number): number[] {
  const position = parse(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(position) || position.length !== length) throw new InvalidCursor();
  if (!position.every(Number.isSafeInteger)) throw new InvalidCursor();
  return position as number[];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidCursor();
  }
}
