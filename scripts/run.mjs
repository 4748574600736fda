// What `npm start`, `npm test` and the other commands run. It needs Node and npm, nothing else:
// it installs, builds what the command needs, both only where something has changed, and runs it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMP = join(ROOT, 'node_modules', '.presence-installed');
const OLDEST_NODE = [20, 19];
/** What `npm test` runs, in lanes that take about as long. */
const TEST_LANES = [
  [
    'packages/adapters/dist-test/!(identity*|queue*|rabbitmq*).test.js',
    'packages/standalone/dist-test/**/*.test.js',
  ],
  [
    'packages/adapters/dist-test/{queue,rabbitmq}*.test.js',
    'packages/!(adapters|standalone)/dist-test/**/*.test.js',
  ],
  [
    '{faults,simulator,bench}/dist-test/*.test.js',
    'packages/adapters/dist-test/identity*.test.js',
    'test/dist/*.test.js',
    'test/dist/system/*.test.js',
  ],
];
const OUTAGE_TESTS = ['test/dist/system/outage.test.js', 'test/dist/outages/*.test.js'];
const BROWSER_TESTS = 'test/dist/browser/**/*.test.js';

/** Each command: what it builds, as tsc -b takes it, and what it does then. @returns exit code */
const COMMANDS = {
  standalone: {
    build: ['packages/standalone'],
    run: (args) => program('standalone/dist/main.js', args),
  },
  api: { build: ['packages/api'], run: (args) => program('api/dist/main.js', args) },
  worker: { build: ['packages/worker'], run: (args) => program('worker/dist/main.js', args) },
  users: {
    build: ['packages/standalone'],
    run: (args) => program('standalone/dist/users-main.js', args),
  },
  migrate: {
    build: ['packages/standalone'],
    run: (args) => program('standalone/dist/migrate-main.js', args),
  },
  dead: { build: ['packages/worker'], run: (args) => program('worker/dist/dead-main.js', args) },
  simulate: {
    build: ['simulator', 'packages/api', 'packages/worker'],
    run: (args) => run(process.execPath, ['simulator/dist/main.js', ...args]),
  },
  faults: {
    build: ['faults', 'packages/api', 'packages/worker'],
    run: (args) => run(process.execPath, ['--enable-source-maps', 'faults/dist/main.js', ...args]),
  },
  bench: {
    build: ['bench', 'packages/api', 'packages/worker'],
    run: (args) =>
      run(process.execPath, ['--enable-source-maps', 'bench/dist/src/main.js', ...args]),
  },
  build: { build: ['.'], run: () => 0 },
  lint: { build: [], run: (args) => tool('@biomejs/biome/bin/biome', ['check', ...args]) },
  test: { build: ['.'], run: test },
  'test:outages': {
    build: ['.'],
    run: (args) => {
      process.env.OUTAGE_SECONDS ??= '12';
      return mocha([...OUTAGE_TESTS, ...args]);
    },
  },
  'test:browser': {
    build: ['.'],
    run: (args) => mocha([BROWSER_TESTS, ...args]),
  },
  coverage: {
    build: [],
    run: () => tool('c8/bin/c8.js', ['report', '--reporter=html', '--reporter=text']),
  },
};

/** All tests with their coverage; with arguments, which are mocha's, just those tests. */
async function test(args) {
  if (args.length > 0) return mocha(args.some(isFile) ? args : [...TEST_LANES.flat(), ...args]);
  const coverage = join(ROOT, 'coverage');
  rmSync(coverage, { recursive: true, force: true });
  mkdirSync(coverage);
  const failures = join(coverage, 'failures.txt');
  const env = {
    ...process.env,
    NODE_V8_COVERAGE: join(coverage, 'raw'),
    FAILURES_FILE: failures,
  };
  const codes = await inLanes(env, coverage);
  const failed = codes.find((code) => code !== 0);
  if (failed !== undefined) {
    if (existsSync(failures)) say(`What failed:\n${readFileSync(failures, 'utf8')}`);
    return failed;
  }
  return (await tool('c8/bin/c8.js', ['report'])) || checkDomain();
}

/** Side by side: tests wait more than they compute. What the others print follows the first's. */
async function inLanes(env, folder) {
  say(
    `The tests run in ${TEST_LANES.length} lanes; all but the first are printed once all are through.`,
  );
  const files = TEST_LANES.slice(1).map((_, at) => join(folder, `lane-${at + 2}.txt`));
  const codes = await Promise.all(TEST_LANES.map((lane, at) => runLane(lane, env, files[at - 1])));
  for (const file of files) process.stdout.write(readFileSync(file));
  return codes;
}

/** @param file what takes what it prints; where there is none, that is seen at once */
async function runLane(lane, env, file) {
  const command = mochaCommand(['--reporter', 'scripts/lane-reporter.cjs', ...lane]);
  if (file === undefined) return run(process.execPath, command, { env });
  const output = openSync(file, 'w');
  const code = await run(process.execPath, command, { env, stdio: ['ignore', output, output] });
  closeSync(output);
  return code;
}

/** Every branch of the rules is tested; elsewhere coverage is only reported. */
function checkDomain() {
  const files = ['src', 'dist'].flatMap((folder) => ['--include', `packages/domain/${folder}/**`]);
  const limits = ['--branches=100', '--lines=0', '--functions=0', '--statements=0'];
  return tool('c8/bin/c8.js', ['check-coverage', ...files, ...limits]);
}

function mocha(args) {
  return run(process.execPath, mochaCommand(args));
}

/** A test that failed may leave connections open: the run ends nevertheless. */
function mochaCommand(args) {
  const flags = ['--forbid-only', '--forbid-pending', '--exit'];
  return ['node_modules/mocha/bin/mocha.js', ...flags, ...args];
}

function isFile(arg) {
  return /\.js$/.test(arg);
}

function program(file, args) {
  return run(process.execPath, ['--enable-source-maps', join('packages', file), ...args]);
}

function tool(file, args) {
  return run(process.execPath, [join('node_modules', file), ...args]);
}

/** Runs a command to its end; a signal is for the command, which ends in its own time. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
    const forward = (signal) => child.kill(signal);
    // Ctrl-C reaches the whole group of a terminal, the command too: hand on nothing, just wait.
    const ignore = () => process.stdin.isTTY || child.kill('SIGINT');
    process.on('SIGTERM', forward).on('SIGHUP', forward).on('SIGINT', ignore);
    const watch = whenAbandoned(() => child.kill('SIGTERM'));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      process.off('SIGTERM', forward).off('SIGHUP', forward).off('SIGINT', ignore);
      clearInterval(watch);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}

/** A signal to npm ends npm and its shell, and never gets here: this notices that they are gone. */
function whenAbandoned(end) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  return setInterval(() => {
    if (process.ppid !== parent) end();
  }, 500);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  fail(
    `presence needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}. See https://nodejs.org.`,
  );
}

/** What an installation depends on: when this changes, it is done again. */
function fingerprint() {
  const packages = ['packages', 'examples'].flatMap((folder) =>
    existsSync(join(ROOT, folder))
      ? readdirSync(join(ROOT, folder)).map((name) => join(folder, name))
      : [],
  );
  const files = [
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    ...['.', 'test', 'bench', 'simulator', 'faults', ...packages].map((folder) =>
      join(folder, 'package.json'),
    ),
  ].filter((file) => existsSync(join(ROOT, file)));
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of files) hash.update(`\n${file}\n`).update(readFileSync(join(ROOT, file)));
  return hash.digest('hex');
}

async function install() {
  const wanted = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  say(`Installing dependencies with ${packageManager} …`);
  const windows = process.platform === 'win32';
  const code = await run(
    windows ? 'npx.cmd' : 'npx',
    ['--yes', packageManager, 'install', '--frozen-lockfile'],
    {
      shell: windows,
      stdio: ['ignore', 2, 2],
    },
  );
  if (code !== 0) fail('The dependencies could not be installed; the lines above say why.');
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, wanted);
}

async function build(projects) {
  if (projects.length === 0) return;
  const first = !existsSync(join(ROOT, 'packages/domain/dist'));
  if (first) say('Building …');
  const code = await run(
    process.execPath,
    [join('node_modules', 'typescript', 'bin', 'tsc'), '-b', ...projects],
    { stdio: ['ignore', 2, 2] },
  );
  if (code !== 0) fail('The build failed; the lines above say where.');
}

function say(text) {
  process.stderr.write(`[presence] ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

checkNode();
const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined)
  fail(`There is no command ${name}; there are: ${Object.keys(COMMANDS).join(', ')}.`);
await install();
await build(command.build);
process.exitCode = await command.run(args);
