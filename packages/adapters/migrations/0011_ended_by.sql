-- Up Migration

-- The transaction that an end was written by: an API asks for the ends that have come since its last
-- look by what was under way then, however long such a COMMIT takes. By ended_at alone one that waited
-- for a standby for longer than a look reaches back was never told of. Those that are there have none.
--
-- Not for long: logouts wait behind it where it waits for one that takes its time, such as a dump.
SET LOCAL lock_timeout = '5s';
ALTER TABLE ended_sessions ADD COLUMN ended_by xid8;
ALTER TABLE ended_sessions ALTER COLUMN ended_by SET DEFAULT pg_current_xact_id();
CREATE INDEX ended_sessions_by ON ended_sessions (ended_by);

-- Down Migration

SET LOCAL lock_timeout = '5s';
ALTER TABLE ended_sessions DROP COLUMN ended_by;
