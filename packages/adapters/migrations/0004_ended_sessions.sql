-- Up Migration

-- Processes remember every ended session until the last of its access tokens has expired, one that
-- ended for presence alone included: its tokens are good, but its events make nobody online.
ALTER TABLE ended_sessions ADD COLUMN tokens_refused boolean NOT NULL DEFAULT false;
UPDATE ended_sessions SET tokens_refused = tokens_until IS NOT NULL,
  tokens_until = coalesce(tokens_until, ended_at);
ALTER TABLE ended_sessions ALTER COLUMN tokens_until SET NOT NULL;

DROP INDEX ended_sessions_recent;
-- What has come since the last look …
CREATE INDEX ended_sessions_recent ON ended_sessions (ended_at);
-- … and, for a process that has just started, all that is still to be remembered.
CREATE INDEX ended_sessions_remembered ON ended_sessions (tokens_until);

-- Down Migration

DROP INDEX ended_sessions_recent, ended_sessions_remembered;
ALTER TABLE ended_sessions ALTER COLUMN tokens_until DROP NOT NULL;
UPDATE ended_sessions SET tokens_until = NULL WHERE NOT tokens_refused;
ALTER TABLE ended_sessions DROP COLUMN tokens_refused;
CREATE INDEX ended_sessions_recent ON ended_sessions (ended_at) WHERE tokens_until IS NOT NULL;
