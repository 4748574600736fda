import { startEmbeddedPostgres } from '@presence/adapters/embedded';
import pg from 'pg';

/** Counts in a database, one commit after another, and tells each number once it is committed. */
const { url } = await startEmbeddedPostgres(process.argv[2]!);
const client = new pg.Client({ connectionString: url });
await client.connect();
await client.query('CREATE TABLE IF NOT EXISTS counted (n int PRIMARY KEY)');
for (let n = 1; ; n += 1) {
  await client.query('INSERT INTO counted VALUES ($1)', [n]);
  process.stdout.write(`committed ${n}\n`);
}
