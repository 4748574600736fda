import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child, eventually, freePort, startProcess } from '@presence/test-services';

export interface Running {
  readonly url: string;
  /** Of the process whose processor time counts, its children included. */
  readonly pid: number;
  stop(): Promise<void>;
}

type Settings = Readonly<Record<string, string>>;

/** What a user would pick instead, or what nothing can be faster than. */
export interface Peer {
  readonly name: string;
  readonly about: string;
  /** Two, of which the better one is measured, mostly the last; none where nothing can be set. */
  readonly choices: readonly Choice[];
  /** What it needs that this machine lacks; `null`: it can run. */
  missing(): string | null;
  start(settings: Settings): Promise<Running>;
}

export interface Choice {
  readonly name: string;
  readonly settings: Settings;
}

export const NODE_HTTP: Peer = nodePeer('node:http', 'answers a constant', 'node-http');
export const BARE_KOA: Peer = nodePeer('Koa', 'router and JSON, and nothing to do', 'koa');
export const FASTIFY_REDIS: Peer = {
  ...nodePeer('Fastify + Redis', 'cached fast-jwt, one ZADD a heartbeat', 'fastify-redis', [
    { name: 'commands one by one', settings: { PIPELINE: '0' } },
    { name: 'commands in pipelines', settings: { PIPELINE: '1' } },
  ]),
  missing: () => (runs('redis-server') ? null : 'redis-server'),
};
export const FASTIFY_UPDATE: Peer = nodePeer(
  'Fastify + UPDATE',
  'cached fast-jwt, one UPDATE a heartbeat',
  'fastify-update',
  [
    { name: 'pool of 4', settings: { POOL: '4' } },
    { name: 'pool of 16', settings: { POOL: '16' } },
  ],
);

/** Debian's own: what another Python of this machine has installed is not looked for. */
const PYTHON = '/usr/bin/python3';
const GUNICORN = '/usr/bin/gunicorn';
const DJANGO_APP = fileURLToPath(new URL('../../peers/django', import.meta.url));
const DJANGO_PACKAGES =
  'gunicorn python3-django python3-djangorestframework python3-djangorestframework-simplejwt python3-psycopg2';

/** The design that presence replaces, as simplejwt and Django are made to be used. */
export const DJANGO: Peer = djangoPeer(
  'Django',
  'a middleware that reads the user and saves two fields, gunicorn',
  { READ_USER: '1' },
);
/** The least that Django can do: no floor is set beside it. */
export const DJANGO_UNREAD: Peer = djangoPeer(
  'Django, user not read',
  'a middleware with one UPDATE and nothing else, gunicorn',
  { READ_USER: '0' },
);

function djangoPeer(name: string, about: string, how: Settings): Peer {
  return {
    ...{ name, about },
    choices: [
      { name: '2 workers', settings: { WORKERS: '--workers=2' } },
      { name: '2 workers of 4 threads', settings: { WORKERS: '--workers=2 --threads=4' } },
    ],
    missing: () => {
      const imports = 'import gunicorn, django, rest_framework, rest_framework_simplejwt, psycopg2';
      const isThere = existsSync(GUNICORN) && spawnSync(PYTHON, ['-c', imports]).status === 0;
      return isThere ? null : DJANGO_PACKAGES;
    },
    start: async ({ WORKERS = '', ...settings }) => {
      const port = await freePort();
      const options = ['--bind', `127.0.0.1:${port}`, '--chdir', DJANGO_APP, ...WORKERS.split(' ')];
      const child = new Child(PYTHON, [GUNICORN, ...options, 'app:application'], {
        env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1', ...settings, ...how },
      });
      const { url, ...rest } = running(child, port);
      await eventually(
        async () => {
          if (!child.running) throw new Error(`gunicorn ended:\n${child.output}`);
          await fetch(url);
        },
        { within: 20_000 },
      );
      return { url, ...rest };
    },
  };
}

/** A program of `bench/peers`. */
export function nodePeer(
  name: string,
  about: string,
  file: string,
  choices: readonly Choice[] = [],
): Peer {
  const entry = fileURLToPath(new URL(`../peers/${file}.js`, import.meta.url));
  return {
    ...{ name, about, choices },
    missing: () => null,
    start: async (settings) => {
      const port = await freePort();
      const child = startProcess(entry, { env: { ...settings, PORT: String(port) } });
      await child.waitForOutput(/listening/);
      return running(child, port);
    },
  };
}

function running(child: Child, port: number): Running {
  return { url: `http://127.0.0.1:${port}`, pid: child.pid, stop: () => child.end('SIGTERM') };
}

function runs(command: string): boolean {
  return spawnSync(command, ['--version']).status === 0;
}
