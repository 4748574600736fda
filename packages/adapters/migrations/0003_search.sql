-- Up Migration

-- A search is for any part of a name: only trigrams index that. They come with PostgreSQL's own
-- contrib modules; without them, or the right to use them, a search reads all users.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX users_search ON users USING gin (username gin_trgm_ops, email gin_trgm_ops);
EXCEPTION
  WHEN undefined_file OR insufficient_privilege OR feature_not_supported OR undefined_object THEN
    RAISE NOTICE 'Searching users goes without an index: %', SQLERRM;
END
$$;

-- Down Migration

DROP INDEX IF EXISTS users_search;
