import { migrate } from '@presence/adapters/postgres';
import { messageOf } from '@presence/adapters/process';
import { openDatabase } from './open-database.js';

/** `npm run migrate`: brings the database of DATABASE_URL, or the embedded one, up to date. */
async function main(): Promise<void> {
  const database = await openDatabase(process.env);
  try {
    const names = [...database.migrated, ...(await migrate(database))];
    for (const name of names) process.stdout.write(`${name}\n`);
    process.stdout.write(names.length === 0 ? 'It was up to date.\n' : 'It is up to date now.\n');
  } finally {
    await database.close();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${describe(error)}\n`);
  process.exitCode = 1;
});

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [error, error.cause].map(messageOf).join(' ').trimEnd();
}
