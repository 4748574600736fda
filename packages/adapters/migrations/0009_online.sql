-- Up Migration

-- Whose rows say online, in order of id. An index of user_presence by status said it as well, and was
-- written again by every heartbeat, as each index is where one holds last_seen; this is written when
-- somebody comes online or no longer is.
CREATE TABLE presence_online (user_id bigint PRIMARY KEY) WITH (
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.05
);

-- Whoever writes statuses waits until this is committed; reads go on.
LOCK TABLE user_presence IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO presence_online SELECT user_id FROM user_presence WHERE online_status = 'online';
CREATE INDEX user_presence_not_online ON user_presence (online_status, user_id)
  WHERE online_status <> 'online';

ALTER FUNCTION count_statuses() RENAME TO note_statuses;
CREATE OR REPLACE FUNCTION note_statuses() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  online_now bigint[] := '{}';
  online_before bigint[] := '{}';
  away_now bigint := 0;
  away_before bigint := 0;
BEGIN
  IF TG_OP <> 'DELETE' THEN
    SELECT coalesce(array_agg(user_id) FILTER (WHERE online_status = 'online'), '{}'),
      count(*) FILTER (WHERE online_status = 'away')
    INTO online_now, away_now FROM new_rows;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    SELECT coalesce(array_agg(user_id) FILTER (WHERE online_status = 'online'), '{}'),
      count(*) FILTER (WHERE online_status = 'away')
    INTO online_before, away_before FROM old_rows;
  END IF;
  -- Both lists are in the order of writing: equal, as of heartbeats, where nobody has come or gone.
  IF online_now <> online_before THEN
    DELETE FROM presence_online WHERE user_id = ANY (ARRAY(
      SELECT unnest(online_before) EXCEPT SELECT unnest(online_now)));
    -- Who is there already was put there by hand: no reason not to write what users do.
    INSERT INTO presence_online
    SELECT unnest(online_now) EXCEPT SELECT unnest(online_before)
    ON CONFLICT DO NOTHING;
  END IF;
  IF (cardinality(online_now), away_now) <> (cardinality(online_before), away_before) THEN
    INSERT INTO presence_counts (online, away)
    VALUES (cardinality(online_now) - cardinality(online_before), away_now - away_before);
  END IF;
  RETURN NULL;
END
$$;

ALTER FUNCTION count_no_statuses() RENAME TO forget_statuses;
CREATE OR REPLACE FUNCTION forget_statuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM presence_counts;
  DELETE FROM presence_online;
  RETURN NULL;
END
$$;

-- Last, since readers wait for it; and not for long, since they would wait behind it where it waits for
-- one that takes its time, such as a dump.
SET LOCAL lock_timeout = '5s';
DROP INDEX user_presence_status;

-- Down Migration

LOCK TABLE user_presence IN SHARE ROW EXCLUSIVE MODE;
CREATE INDEX user_presence_status ON user_presence (online_status, user_id);

ALTER FUNCTION forget_statuses() RENAME TO count_no_statuses;
CREATE OR REPLACE FUNCTION count_no_statuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM presence_counts;
  RETURN NULL;
END
$$;

ALTER FUNCTION note_statuses() RENAME TO count_statuses;
CREATE OR REPLACE FUNCTION count_statuses() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  online_more bigint := 0;
  away_more bigint := 0;
  online_less bigint := 0;
  away_less bigint := 0;
BEGIN
  IF TG_OP <> 'DELETE' THEN
    SELECT count(*) FILTER (WHERE online_status = 'online'),
      count(*) FILTER (WHERE online_status = 'away')
    INTO online_more, away_more FROM new_rows;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    SELECT count(*) FILTER (WHERE online_status = 'online'),
      count(*) FILTER (WHERE online_status = 'away')
    INTO online_less, away_less FROM old_rows;
  END IF;
  IF (online_more, away_more) <> (online_less, away_less) THEN
    INSERT INTO presence_counts (online, away)
    VALUES (online_more - online_less, away_more - away_less);
  END IF;
  RETURN NULL;
END
$$;

SET LOCAL lock_timeout = '5s';
DROP INDEX user_presence_not_online;
DROP TABLE presence_online;
