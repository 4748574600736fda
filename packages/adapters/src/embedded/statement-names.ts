const TYPES_WITH_A_STATEMENT = new Set(['P', 'B', 'D', 'C']);
const HEADER = 5;

/**
 * Prepared statements belong to a connection, but all connections share one backend: gives each
 * name a prefix of its connection. `message` is one whole message of the frontend, type byte first.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export function ownStatement(message: Uint8Array, prefix: string): Uint8Array {
  const at = nameOffset(message);
  if (at === undefined || message[at] === 0) return message; // The unnamed statement stays so.
  const renamed = Buffer.concat([
    message.subarray(0, at),
    Buffer.from(prefix),
    message.subarray(at),
  ]);
  renamed.writeInt32BE(renamed.length - 1, 1);
  return renamed;
}

/** The (renamed) statement that a Parse message makes; '' for the unnamed one. */
export function parsedStatement(message: Uint8Array): string | undefined {
  if (typeOf(message) !== 'P') return undefined;
  return Buffer.from(message.subarray(HEADER, endOfText(message, HEADER))).toString();
}

export function typeOf(message: Uint8Array): string {
  return String.fromCharCode(message[0] ?? 0);
}

function nameOffset(message: Uint8Array): number | undefined {
  const type = typeOf(message);
  if (!TYPES_WITH_A_STATEMENT.has(type)) return undefined;
  if (type === 'P') return HEADER;
  if (type === 'B') return endOfText(message, HEADER) + 1; // After the portal's name.
  return message[HEADER] === 'S'.charCodeAt(0) ? HEADER + 1 : undefined; // Or a portal.
}

function endOfText(message: Uint8Array, from: number): number {
  return message.indexOf(0, from);
}
