import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { createHttpServer, listen } from '../dist/server.js';
import { closeAll, type Running, startWorld } from './running-api.js';

describe('what is no proper HTTP', () => {
  let api: Running;

  beforeEach(async () => {
    api = await startWorld({ requestTimeout: 300 });
  });
  afterEach(closeAll);

  /** Writes bytes and reads until the server ends the connection. */
  function raw(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(api.port, '127.0.0.1', () => socket.write(text));
      let told = '';
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => {
        told += chunk;
      });
      socket.on('close', () => resolve(told));
      socket.on('error', reject);
    });
  }

  function expectProblem(told: string, status: number): void {
    const [head = '', body = ''] = told.split('\r\n\r\n');
    expect(head).to.match(new RegExp(`^HTTP/1.1 ${status} `));
    expect(head.toLowerCase()).to.include('content-type: application/problem+json');
    expect(head.toLowerCase()).to.include('cache-control: no-store');
    expect(JSON.parse(body)).to.include({ status, type: 'about:blank' });
  }

  it('is answered with 400 and a problem document', async () => {
    expectProblem(await raw('nonsense\r\n\r\n'), 400);
    expectProblem(await raw('GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n'), 400);
    expectProblem(
      await raw(
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      ),
      400,
    );
    expectProblem(await raw('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n'), 400);
  });

  it('is parsed no further once it is refused, even where a client takes no answers', async () => {
    const health = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
    const large = 'GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n';
    const thrown: unknown[] = [];
    const note = (error: unknown) => thrown.push(error);
    const usual = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').on('uncaughtException', note);
    const client = connect(api.port, '127.0.0.1').on('error', () => {});
    client.write(large.repeat(4));
    await wait(200); // Until Node holds back what the client does not take.
    client.write(`${health}\0\r\n`);
    await wait(50); // What is not to happen, nothing tells of.
    client.write('x');
    await wait(50);
    client.destroy();
    process.removeAllListeners('uncaughtException');
    for (const listener of usual) process.on('uncaughtException', listener);
    expect(thrown).to.deep.equal([]);
  });

  it('is 400 without a Host, and for a target that is no URL', async () => {
    expectProblem(await raw('GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n'), 400);
    const target = 'GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    expectProblem(await raw(target), 400);
  });

  it('is 431 where the header fields are larger than 16 KiB', async () => {
    const large = `X-Large: ${'x'.repeat(20_000)}\r\n`;
    expectProblem(await raw(`GET / HTTP/1.1\r\nHost: x\r\n${large}\r\n`), 431);
  });

  it('is told so to pages of allowed origins, wherever these can be told', async () => {
    const origins = ['https://one.example', 'https://two.example'];
    const large = (origin: string) =>
      `GET / HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`;
    const allows = async (request: string) =>
      /^access-control-allow-origin: (.*)\r$/im.exec(await raw(request))?.[1];
    api = await startWorld({ requestTimeout: 300, corsOrigins: origins });
    expect(await allows(large(origins[1]!))).to.equal(origins[1]);
    expect(await allows(large('https://three.example'))).to.equal(undefined);
    expect(await allows('GET / HTTP/1.1\r\nHo'), 'several, and nobody knows').to.equal(undefined);
    const slow = (origin: string) =>
      `POST /api/users/login/ HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"us`;
    expect(await allows(slow(origins[1]!)), 'a body').to.equal(origins[1]);
    expect(await allows(slow('https://three.example')), 'a body').to.equal(undefined);
    api = await startWorld({ requestTimeout: 300, corsOrigins: origins.slice(0, 1) });
    expect(await allows('GET / HTTP/1.1\r\nHo'), 'the only one').to.equal(origins[0]);
    api = await startWorld({ requestTimeout: 300, corsOrigins: ['*'] });
    expect(await allows(large(''))).to.equal('*');
  });

  it('is 408 where it does not arrive in time, in its head or in its body', async () => {
    const slowBody =
      'POST /api/users/login/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"us';
    const [head, body] = await Promise.all([raw('GET /health/live HTTP/1.1\r\nHo'), raw(slowBody)]);
    expectProblem(head, 408);
    expectProblem(body, 408);
  });

  it('does not keep others waiting: 200 half-open requests are dropped in time', async () => {
    api = await startWorld({ requestTimeout: 3_000 });
    let dropped = 0;
    const slow = Array.from({ length: 200 }, async () => {
      const told = await raw('GET /health/live HTTP/1.1\r\nHost: x\r\n');
      dropped++;
      return told;
    });
    expect((await api.client.get('/health/live')).status).to.equal(200);
    expect(dropped).to.equal(0);
    for (const told of await Promise.all(slow)) expectProblem(told, 408);
  }).timeout(20_000);

  it('is not waited for where a client takes nothing of its answer', async () => {
    const limits = { keepAliveTimeout: 60_000, requestTimeout: 60_000, answerTimeout: 200 };
    const large = Buffer.alloc(64 * 1024 * 1024);
    const server = createHttpServer(limits, (_, response) => response.end(large));
    const { port } = await listen(server, 0, '127.0.0.1');
    const client = connect(port, '127.0.0.1');
    client.on('error', () => {}).write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const [served] = (await once(server, 'connection')) as [Socket];
    await once(served, 'close');
    client.destroy();
    server.close();
  });

  it('may expect what nobody knows', async () => {
    const told = await api.client.get('/health/live', { headers: { expect: 'the-unexpected' } });
    expect(told.status).to.equal(200);
  });
});
