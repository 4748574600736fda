#!/bin/sh
# Runs once, when the volume is still empty. Afterwards passwords change by ALTER ROLE.
set -eu
psql --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set=owner_password="${POSTGRES_OWNER_PASSWORD:?}" \
  --set=app_password="${POSTGRES_APP_PASSWORD:?}" \
  --file=/etc/presence/roles.sql
