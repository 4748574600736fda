import { DEMO_ADMIN, DEMO_USER } from './demo-users.js';

export interface WelcomeFacts {
  /** http://127.0.0.1:8000 */
  readonly address: string;
  readonly opsAddress: string | null;
  /** "embedded, in …" or the host of a real one. */
  readonly database: string;
  readonly queue: string;
  readonly demo: DemoFacts | null;
}

export interface DemoFacts {
  readonly adminToken: string;
  /** How long it is good for, in words. */
  readonly tokenLasts: string;
  /** The id of the demo user. */
  readonly userId: number;
}

/** What a person reads after the start, and can follow by copy and paste. */
export function welcome(facts: WelcomeFacts): string {
  const { address, opsAddress, demo } = facts;
  return [
    '',
    `  presence is running:  ${address}`,
    `  API documentation:    ${address}/docs`,
    ...(opsAddress === null ? [] : [`  metrics:              ${opsAddress}/metrics`]),
    `  database:             ${facts.database}`,
    `  queue:                ${facts.queue}`,
    ...(demo === null ? NO_USERS : demoLines(address, demo)),
    '',
    '  Stop it with Ctrl-C.',
    '',
    '',
  ].join('\n');
}

const NO_USERS = [
  '',
  '  Add users with:  npm run users -- add --username NAME --email ADDRESS [--admin]',
];

function demoLines(address: string, { adminToken, tokenLasts, userId }: DemoFacts): string[] {
  return [
    '',
    `  Demo users:  ${login(DEMO_USER)} (user)   ${login(DEMO_ADMIN)} (admin)`,
    '',
    `  An admin's token, good for ${tokenLasts}:`,
    '',
    adminToken,
    '',
    '  Try it in another terminal. Log in as a user, which sets him online:',
    '',
    `curl -sS ${address}/api/users/login/ -H 'Content-Type: application/json' -d '{"username":"${DEMO_USER.username}","password":"${DEMO_USER.password}"}'`,
    '',
    '  Ask for his status, as an admin:',
    '',
    `curl -sS ${address}/api/users/admin/users/${userId}/online-status/ -H 'Authorization: Bearer ${adminToken}'`,
    '',
    '  See who is online:',
    '',
    `curl -sS ${address}/api/users/admin/users/online/ -H 'Authorization: Bearer ${adminToken}'`,
  ];
}

function login({ username, password }: { username: string; password: string }): string {
  return `${username} / ${password}`;
}
