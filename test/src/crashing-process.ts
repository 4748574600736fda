import { startPostgres } from './index.js';

/** Starts a server and dies without a word, as a test run that is killed. */
const { pid } = await startPostgres();
process.stdout.write(`server ${pid}\n`, () => process.kill(process.pid, 'SIGKILL'));
