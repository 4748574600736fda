#!/bin/sh
# Puts the passwords into the definitions, in memory, and starts the broker. They are loaded at
# every start: to change a password, change its variable and start the broker again.
set -eu
umask 077
mkdir -p /tmp/presence
definitions=/tmp/presence/definitions.json
cp /etc/presence/definitions.json "$definitions"
for name in RABBITMQ_API_PASSWORD RABBITMQ_WORKER_PASSWORD RABBITMQ_PUBLISHER_PASSWORD; do
  eval "password=\${$name:-}"
  case $password in
    '' | *[!A-Za-z0-9._~-]*)
      echo "Set $name to letters, digits and . _ ~ - only: it also stands in URLs." >&2
      exit 2
      ;;
  esac
  sed "s/\${$name}/$password/" "$definitions" > "$definitions.next"
  mv "$definitions.next" "$definitions"
  unset "$name"
done
exec docker-entrypoint.sh rabbitmq-server
