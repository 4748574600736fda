-- Up Migration

-- When a sweep last took its turn: one at a time, and at a pace, however many workers there are.
CREATE TABLE presence_sweep (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  at timestamptz NOT NULL
);
INSERT INTO presence_sweep (at) VALUES ('-infinity');

-- Down Migration

DROP TABLE presence_sweep;
