-- Up Migration

-- Why the database does not take an event, where it does not.
ALTER TABLE presence_inbox ADD COLUMN refused text;
CREATE INDEX presence_inbox_user ON presence_inbox (user_id);

-- Down Migration

DROP INDEX presence_inbox_user;
ALTER TABLE presence_inbox DROP COLUMN refused;
