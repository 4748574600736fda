import { parseArgs } from 'node:util';

export interface StartOptions {
  readonly help: boolean;
  /** Demo users on a database that is not our own, too. */
  readonly demo: boolean;
}

export const HELP = `presence: who is online, and when was everybody last seen.

Usage: npm start [-- options]

Everything in one process, on one machine. Without any configuration it keeps its data in
the folder .presence, listens on 127.0.0.1:8000 and has two demo users.

  --demo   make the demo users on the database of DATABASE_URL, too
  --help   show this

Environment variables (README has them all):
  PORT, HOST          where to listen                         8000, 127.0.0.1 with demo users
  PRESENCE_DATA_DIR   where the embedded database is          .presence
  DATABASE_URL        a PostgreSQL of yours, instead of the embedded one
  AMQP_URL            a RabbitMQ of yours, instead of the queue inside this process
  OPS_PORT            where /metrics is                       9464
  LOG_LEVEL           trace, debug, info, warn, error         info

Other commands:
  npm run users -- --help     add, list and remove users, set passwords
  npm run migrate             bring the database of DATABASE_URL up to date
  npm run api, npm run worker the two processes of production, by themselves
  npm test                    run the tests
`;

/** @throws TypeError for an option that there is not */
export function startOptions(args: readonly string[]): StartOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      demo: { type: 'boolean', default: false },
    },
  });
  return values;
}
