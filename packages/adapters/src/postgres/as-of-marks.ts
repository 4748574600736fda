import type { Progress } from '@presence/domain';
import type pg from 'pg';

/** Notes intervals as settled, in the transaction that settles them; at least one. */
export function progressMarks(progress: readonly Progress[]): pg.QueryConfig {
  return {
    name: 'as-of-mark',
    text: `
      INSERT INTO publisher_marks (publisher, kind, us_since, us_settled, last)
      SELECT publisher, kind, us_since, int8range(us_from, us_through), last
      FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[])
        AS m (publisher, kind, us_since, us_from, us_through, last)`,
    values: [
      progress.map(({ publisher }) => publisher),
      progress.map(({ kind }) => kind),
      progress.map(({ since }) => since),
      progress.map(({ from }) => from),
      progress.map(({ through }) => through),
      progress.map(({ last }) => last),
    ],
  };
}
