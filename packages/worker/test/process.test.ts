import { fileURLToPath } from 'node:url';
import { type Child, freePorts, startProcess } from '@presence/test-services';
import { expect } from 'chai';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

describe('npm run worker', () => {
  let worker: Child | undefined;

  afterEach(() => worker?.end('SIGKILL'));

  it('ends with 0 where it is stopped while it waits for the database', async () => {
    const [opsPort = 0] = await freePorts(1);
    worker = startProcess(MAIN, {
      env: {
        DATABASE_URL: 'postgres://127.0.0.1:1/x',
        AMQP_URL: 'amqp://127.0.0.1:1',
        OPS_PORT: `${opsPort}`,
      },
    });
    await worker.waitForOutput(/Waiting for the database/);
    worker.signal('SIGTERM');
    expect((await worker.exited).code).to.equal(0);
    expect(worker.output).to.include('Stopped').and.not.include('cannot start');
  });
});
