import { createPool, type Pool } from '@presence/adapters/postgres';
import { type Database, services } from '@presence/test-services';
import { expect } from 'chai';
import fc from 'fast-check';
import { textArray } from '../dist/postgres/event-row.js';

describe('An array in the notation of PostgreSQL', () => {
  let database: Database;
  let pool: Pool;

  before(async () => {
    database = await (await services()).createDatabase();
    pool = createPool({ url: database.url, size: 1, applicationName: 'arrays' });
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  it('gives back every text, whatever it holds', async () => {
    // No text of PostgreSQL holds a NUL, and no message that does is taken.
    const meaningful = fc.constantFrom(
      '',
      'null',
      'NULL',
      '"',
      '\\',
      ',',
      '{',
      '}',
      ' ',
      "'",
      '\n',
    );
    const wellFormed = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    const texts = fc.array(
      fc.oneof(
        meaningful,
        wellFormed,
        fc.array(meaningful).map((all) => all.join('')),
      ),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (values) => {
        const { rows } = await pool.query<{ value: string }>(
          'SELECT value FROM unnest($1::text[]) WITH ORDINALITY AS v (value, place) ORDER BY place',
          [textArray(values)],
        );
        expect(rows.map(({ value }) => value)).to.deep.equal(values);
      }),
      { numRuns: 1_000 },
    );
  });
});
