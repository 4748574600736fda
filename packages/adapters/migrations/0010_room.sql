-- Up Migration

-- Room in the pages of user_presence: a row is inserted longer than its events leave it, with a session
-- of up to some 80 bytes. PostgreSQL clears a page of dead versions whenever less of it is free than
-- fillfactor leaves to inserts, and that is at every write where rows fill it up to there. With room, of
-- a million users a plain UPDATE writes 1.37 times the rows a second, and 1.35 times once half as many have
-- been added (`npm run bench -- --only room`). Who is added is put where others have left room, so it
-- lessens; docs/production.md says how to make it anew.
--
-- Rows that are there already have none: with the default that inserts get, a write by a process of the
-- version before this one would make them longer.
--
-- Not for long: readers wait behind it where it waits for one that takes its time, such as a dump.
SET LOCAL lock_timeout = '5s';
ALTER TABLE user_presence ADD COLUMN room text NOT NULL DEFAULT '';
ALTER TABLE user_presence ALTER COLUMN room SET DEFAULT repeat(' ', 100);

-- Down Migration

SET LOCAL lock_timeout = '5s';
ALTER TABLE user_presence DROP COLUMN room;
