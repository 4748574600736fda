-- Up Migration

-- The order of the values is the order of the domain's STATUSES: it decides ties.
CREATE TYPE presence_status AS ENUM ('online', 'away', 'offline');

CREATE TABLE users (
  id bigint PRIMARY KEY CHECK (id BETWEEN 1 AND 9007199254740991),
  issuer text NOT NULL,
  subject text NOT NULL,
  username text NOT NULL,
  email text,
  role text NOT NULL,
  password_hash text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer, subject)
);

-- Two issuers may each know an "ahmad"; only one of them logs in with a password here.
CREATE UNIQUE INDEX users_login ON users (username) WHERE password_hash IS NOT NULL;

-- Users that are added here, and users of tokens whose subject is no number. The latter begin at
-- 2^40, so that they are in nobody's way whose subject is his id.
CREATE SEQUENCE user_ids AS bigint MAXVALUE 9007199254740991;
CREATE SEQUENCE foreign_user_ids AS bigint START 1099511627776 MAXVALUE 9007199254740991;

-- Ids also come from tokens, so a generated one may be taken already.
CREATE FUNCTION next_user_id(ids regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  candidate bigint;
BEGIN
  LOOP
    candidate := nextval(ids);
    EXIT WHEN NOT EXISTS (SELECT FROM users WHERE id = candidate);
  END LOOP;
  RETURN candidate;
END
$$;

-- How many users there are, so that nobody has to count them.
CREATE TABLE user_count (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  total bigint NOT NULL
);
INSERT INTO user_count (total) VALUES (0);

CREATE FUNCTION count_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    UPDATE user_count SET total = 0;
  ELSE
    UPDATE user_count SET total = total
      + (SELECT count(*) FROM changed) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER users_added AFTER INSERT ON users
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_users();
CREATE TRIGGER users_removed AFTER DELETE ON users
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_users();
CREATE TRIGGER users_emptied AFTER TRUNCATE ON users
  FOR EACH STATEMENT EXECUTE FUNCTION count_users();

-- One narrow row a user, rewritten by every event. The greatest event's key is (last_seen,
-- explicit, declared, session_id); since every event moves last_seen, it needs no second clock.
CREATE TABLE user_presence (
  user_id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  last_seen timestamptz(3),
  -- The visible status when the row was last written or swept.
  online_status presence_status NOT NULL DEFAULT 'offline',
  declared presence_status NOT NULL DEFAULT 'offline',
  explicit boolean NOT NULL DEFAULT false,
  -- Whether session_id has ended, which makes an inferred event count as offline.
  session_ended boolean NOT NULL DEFAULT false,
  -- What the last write found. RETURNING shows new values only; this is how a write that had to
  -- wait for another still tells the step between the two committed rows.
  found_status presence_status NOT NULL DEFAULT 'offline',
  found_seen timestamptz(3),
  -- Collation "C" compares bytes, as the rules do.
  session_id text COLLATE "C" NOT NULL DEFAULT ''
) WITH (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.05
);

-- Filters by status in order of id, and counts.
CREATE INDEX user_presence_status ON user_presence (online_status, user_id);

-- Who is online, most recently seen first; and whose silence has run out, without a look at
-- those who are offline already.
CREATE INDEX user_presence_seen ON user_presence (online_status, last_seen DESC, user_id)
  WHERE online_status <> 'offline';

-- Sessions whose events no longer make anybody online.
CREATE TABLE ended_sessions (
  user_id bigint NOT NULL,
  session_id text COLLATE "C" NOT NULL,
  ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- Until when access tokens of the session may be shown; null: it ended for presence alone.
  tokens_until timestamptz,
  -- Until when events of the session can arrive.
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, session_id)
);
CREATE INDEX ended_sessions_recent ON ended_sessions (ended_at) WHERE tokens_until IS NOT NULL;
CREATE INDEX ended_sessions_expiry ON ended_sessions (expires_at);

-- Transitions whose row was locked when they were committed; any worker applies them.
CREATE TABLE presence_inbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id bigint NOT NULL,
  type text NOT NULL,
  occurred_at timestamptz(3) NOT NULL,
  status presence_status NOT NULL,
  session_id text NOT NULL
);

-- Changes of visible status that are committed and still have to go out. The sequence is drawn
-- while the user's row is locked, so it grows by user.
CREATE TABLE presence_changes (
  version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  user_id bigint NOT NULL,
  from_status presence_status NOT NULL,
  to_status presence_status NOT NULL,
  at timestamptz(3) NOT NULL,
  last_seen timestamptz(3) NOT NULL,
  cause text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- How far events have been processed: one row.
CREATE TABLE presence_clock (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  as_of timestamptz(3) NOT NULL,
  -- Null: never yet. A database that waits for its first worker is no pipeline that has stalled.
  moved_at timestamptz,
  held_since timestamptz
);
INSERT INTO presence_clock (as_of) VALUES (clock_timestamp());

-- Who as-of waits for. Times that begin with "us" are microseconds since 1970, by the
-- publisher's clock.
CREATE TABLE presence_publishers (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('app', 'worker')),
  us_since bigint NOT NULL,
  -- The intervals that are settled; the one that begins at us_since says how far it has got.
  us_settled int8multirange NOT NULL DEFAULT '{}',
  -- Where it ends, once it has said its last word.
  us_end bigint,
  heard_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- How far it reached when a gap was first seen right behind that, and when that was.
  us_gap_at bigint,
  gap_since timestamptz,
  -- Set when as-of no longer waits for it; kept for a while so that a late message does not
  -- bring it back.
  gone_at timestamptz
);

-- Intervals as batches settle them. Appended by any worker, gathered by one at a time.
CREATE TABLE publisher_marks (
  publisher uuid NOT NULL,
  kind text NOT NULL,
  us_since bigint NOT NULL,
  us_settled int8range NOT NULL,
  last boolean NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Down Migration

DROP TABLE publisher_marks, presence_publishers, presence_clock, presence_changes,
  presence_inbox, ended_sessions, user_presence, user_count, users;
DROP FUNCTION next_user_id(regclass), count_users();
DROP SEQUENCE user_ids, foreign_user_ids;
DROP TYPE presence_status;
