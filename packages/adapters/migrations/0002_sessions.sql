-- Up Migration

CREATE TABLE login_sessions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
  session_id text COLLATE "C" NOT NULL,
  opened_at timestamptz(3) NOT NULL,
  -- When its last refresh token expires.
  expires_at timestamptz(3) NOT NULL,
  -- How often its refresh token has been replaced, and when that was last done.
  generation integer NOT NULL DEFAULT 0,
  rotated_at timestamptz(3),
  -- Kept beside ended_sessions until it expires: its refresh tokens are still known as its own.
  ended_at timestamptz(3),
  UNIQUE (user_id, session_id)
);
CREATE INDEX login_sessions_expiry ON login_sessions (expires_at);

-- Spent tokens stay until they expire, so that their reuse is noticed. A token is spent once its
-- session has gone on to a later generation.
CREATE TABLE refresh_tokens (
  -- SHA-256. A token holds 256 random bits, so there is nothing to guess and no salt to add.
  hash bytea PRIMARY KEY,
  login_id bigint NOT NULL REFERENCES login_sessions ON DELETE CASCADE,
  generation integer NOT NULL,
  expires_at timestamptz(3) NOT NULL
);
CREATE INDEX refresh_tokens_login ON refresh_tokens (login_id);

-- As rate-limiter-flexible keeps them; `expire` is in milliseconds.
CREATE TABLE login_failures (
  key varchar(255) PRIMARY KEY,
  points integer NOT NULL DEFAULT 0,
  expire bigint
);
CREATE INDEX login_failures_expiry ON login_failures (expire);

-- Down Migration

DROP TABLE login_failures, refresh_tokens, login_sessions;
