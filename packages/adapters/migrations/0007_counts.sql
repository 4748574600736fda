-- Up Migration

-- How many rows say online, and how many away: the sum of all rows here, so that nobody has to count
-- users. Whoever writes statuses adds what has changed; nobody waits for anybody else, as it would
-- for one row that all of them update.
CREATE TABLE presence_counts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  online bigint NOT NULL,
  away bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE FUNCTION count_statuses() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE FUNCTION count_no_statuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM presence_counts;
  RETURN NULL;
END
$$;
CREATE TRIGGER statuses_added AFTER INSERT ON user_presence
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_statuses();
CREATE TRIGGER statuses_changed AFTER UPDATE ON user_presence
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION count_statuses();
CREATE TRIGGER statuses_removed AFTER DELETE ON user_presence
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_statuses();
CREATE TRIGGER statuses_emptied AFTER TRUNCATE ON user_presence
  FOR EACH STATEMENT EXECUTE FUNCTION count_no_statuses();

-- The triggers have locked out whoever writes, until this is committed.
INSERT INTO presence_counts (online, away)
SELECT count(*) FILTER (WHERE online_status = 'online'),
  count(*) FILTER (WHERE online_status = 'away')
FROM user_presence;

-- Down Migration

DROP TRIGGER statuses_added ON user_presence;
DROP TRIGGER statuses_changed ON user_presence;
DROP TRIGGER statuses_removed ON user_presence;
DROP TRIGGER statuses_emptied ON user_presence;
DROP FUNCTION count_statuses(), count_no_statuses();
DROP TABLE presence_counts;
