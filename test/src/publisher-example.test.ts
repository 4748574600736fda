import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { eventually } from './eventually.js';
import { startProcess } from './process.js';
import { Service } from './service.js';

const PROGRAM = fileURLToPath(new URL('../../examples/publishers/publish.mjs', import.meta.url));

describe('A program of another service that publishes a heartbeat', function () {
  this.timeout(60_000);
  let service: Service;

  before(async () => {
    service = await Service.start();
  });

  after(async () => {
    await service?.stop();
  });

  it('sets the user online in the database', async () => {
    const id = await service.addUser('ahmad', 'ahmad-demo');
    const program = startProcess(PROGRAM, { args: [`${id}`], env: { AMQP_URL: service.amqpUrl } });
    expect((await program.exited).code, program.output).to.equal(0);
    await eventually(async () => (await service.row('ahmad'))?.status === 'online');
  });
});
