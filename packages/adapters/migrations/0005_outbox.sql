-- Up Migration

-- Changes of visible status that are committed and still have to go out: a row holds those of one
-- transaction, up to 1,024. A row for each change cost three times as much to write and to take
-- out. The id is drawn while the users' rows are locked, so it grows by user.
CREATE TABLE presence_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- What the ids of its changes are made of.
  change_ids uuid NOT NULL DEFAULT gen_random_uuid(),
  size integer NOT NULL CHECK (size BETWEEN 1 AND 1024),
  -- [[user id, from, to, at, last seen, cause], …]: moments in milliseconds since 1970.
  changes json NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

INSERT INTO presence_outbox (id, change_ids, size, changes) OVERRIDING SYSTEM VALUE
SELECT version, id, 1, json_build_array(json_build_array(user_id, from_status, to_status,
  (extract(epoch FROM at) * 1000)::bigint, (extract(epoch FROM last_seen) * 1000)::bigint, cause))
FROM presence_changes;
SELECT setval(pg_get_serial_sequence('presence_outbox', 'id'),
  nextval(pg_get_serial_sequence('presence_changes', 'version')));
DROP TABLE presence_changes;

-- The same, a row for each change, for people.
CREATE VIEW presence_changes AS
SELECT o.id * 1024 + c.place - 1 AS version, (c.change ->> 0)::bigint AS user_id,
  (c.change ->> 1)::presence_status AS from_status, (c.change ->> 2)::presence_status AS to_status,
  timestamptz 'epoch' + (c.change ->> 3)::bigint * interval '1 ms' AS at,
  timestamptz 'epoch' + (c.change ->> 4)::bigint * interval '1 ms' AS last_seen,
  c.change ->> 5 AS cause
FROM presence_outbox o, json_array_elements(o.changes) WITH ORDINALITY AS c (change, place);

-- Down Migration

ALTER VIEW presence_changes RENAME TO presence_changes_left;
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
INSERT INTO presence_changes (version, user_id, from_status, to_status, at, last_seen, cause)
OVERRIDING SYSTEM VALUE SELECT * FROM presence_changes_left;
SELECT setval(pg_get_serial_sequence('presence_changes', 'version'),
  nextval(pg_get_serial_sequence('presence_outbox', 'id')) * 1024);
DROP VIEW presence_changes_left;
DROP TABLE presence_outbox;
