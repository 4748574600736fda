import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { listenFault } from '@presence/adapters/process';
import { expect } from 'chai';

describe('Why a server cannot listen', () => {
  /** @returns what the attempt fails with */
  async function failure(host: string, port = 0): Promise<unknown> {
    const server = createServer().listen(port, host);
    return once(server, 'listening').then(
      () => server.close(),
      (error: unknown) => error,
    );
  }

  it('is said with the variable to set, where it is the host', async () => {
    expect(listenFault(await failure('192.0.2.1'), 'PORT')).to.match(
      /^HOST is 192\.0\.2\.1, which is no/,
    );
    expect(listenFault(await failure('no.such.invalid'), 'PORT')).to.match(
      /^HOST is no\.such\.invalid,/,
    );
  });

  it('is said with the variable to set, where it is the port', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const fault = listenFault(await failure('127.0.0.1', port), 'OPS_PORT');
    expect(fault).to.match(new RegExp(`^Port ${port} is taken\\. Set OPS_PORT to another one`));
    server.close();
  });

  it('is not made up for what is none', () => {
    expect(listenFault(new TypeError('a bug'), 'PORT')).to.equal(undefined);
    expect(
      listenFault(Object.assign(new Error(), { code: 'EACCES', path: '/x' }), 'PORT'),
    ).to.equal(undefined);
  });
});
