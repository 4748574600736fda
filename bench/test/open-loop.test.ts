import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from '@presence/test-services';
import { expect } from 'chai';
import { requestText } from '../dist/src/connections.js';
import {
  latencyBy,
  NODE_PACER,
  nativePacer,
  openLoop,
  type Pacer,
  type Requests,
} from '../dist/src/open-loop.js';

const SOURCE = fileURLToPath(new URL('../load/paced.c', import.meta.url));
const TOKENS = ['one', 'two', 'three'];
const BODY = { status: '😀' };
const LOAD = { rate: 200, warmUp: 0.1, seconds: 0.4, connections: 8 };
const REQUESTS = 100;
const ALL_COUNT = { ...LOAD, warmUp: 0, seconds: 0.5 };

const REFUSALS: Record<string, (response: ServerResponse) => void> = {
  refused: (response) => void response.writeHead(503, { 'content-length': 0 }).end(),
  'put off': (response) => void response.writeHead(202, { 'content-length': 0 }).end(),
  'cut off': (response) => void response.socket?.destroy(),
  'an answer that does not say how long it is': (response) => void response.write('well'),
};

// Where there is no compiler, Node's is the only one that the bench has, too.
const native = await nativePacer().catch(() => undefined); // The first test says why.
if (process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0) {
  describe('The open loop in C', () => {
    it('is what a strict compiler takes', async () => {
      const strict = ['-std=c11', '-Wall', '-Wextra', '-pedantic', '-Werror'];
      await promisify(execFile)('cc', [...strict, '-fsyntax-only', SOURCE]);
    });
  });
}
for (const pacer of native === undefined ? [NODE_PACER] : [NODE_PACER, native]) {
  describe(`An open loop by ${pacer.name}`, () => eachPacer(pacer));
}

describe('openLoop', () => {
  it('asks with the tokens of a file in turn', async () => {
    const said: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      said.push(request.headers.authorization);
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const file = join(await temporaryFolder('tokens'), 'tokens');
    await writeFile(file, `${TOKENS.join('\n')}\n`);
    const { port } = server.address() as AddressInfo;
    const target = { method: 'POST', url: `http://127.0.0.1:${port}/`, tokens: { file, count: 3 } };
    await openLoop(target, { ...LOAD, connections: 1 });
    server.closeAllConnections();
    server.close();
    expect(said).to.deep.equal(inTurn());
  });
});

function inTurn(): string[] {
  return Array.from({ length: REQUESTS }, (_, turn) => `Bearer ${TOKENS[turn % 3]}`);
}

function eachPacer(pacer: Pacer): void {
  let server: Server;
  let requests: Requests;
  let asked: IncomingMessage[];
  let sockets: Set<Socket>;
  let answer: (response: ServerResponse, turn: number) => void;

  beforeEach(async () => {
    asked = [];
    sockets = new Set();
    server = createServer((request, response) => {
      asked.push(request);
      sockets.add(request.socket);
      answer(response, asked.length - 1);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/path?query=1`;
    const what = { method: 'POST', url: new URL(url), body: BODY };
    requests = { url, texts: TOKENS.map((token) => requestText({ ...what, token })) };
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const succeed = (response: ServerResponse) => void response.end('well');

  it('asks as it is told, each in turn, and counts what comes after warming up', async () => {
    const bodies: Promise<unknown>[] = [];
    answer = (response, turn) => {
      bodies.push(json(asked[turn]!));
      succeed(response);
    };
    const {
      requests: counted,
      failures,
      perSecond,
    } = await latencyBy(pacer, requests, {
      ...LOAD,
      connections: 1, // Those of several may overtake each other.
    });
    expect({ counted, failures }).to.deep.equal({ counted: 80, failures: 0 });
    expect(perSecond).to.be.at.most(210);
    expect(asked.map(({ headers }) => headers.authorization)).to.deep.equal(inTurn());
    const [{ method, url }] = asked as [IncomingMessage];
    expect({ method, url }).to.deep.equal({ method: 'POST', url: '/path?query=1' });
    expect(await Promise.all(bodies)).to.deep.equal(Array.from({ length: REQUESTS }, () => BODY));
    expect(sockets.size).to.equal(1);
  });

  it('counts from when a request was due, though no connection was free', async () => {
    // Each of the only connection's takes 20 ms, while one is due every 5.
    answer = (response) => void wait(20).then(() => succeed(response));
    const { p50, p99 } = await latencyBy(pacer, requests, { ...LOAD, warmUp: 0, connections: 1 });
    expect(sockets.size).to.equal(1);
    // Each waits for all before it: the last of 80 for 79 × 20 ms, and was due after 79 × 5.
    expect(p99).to.be.at.least(78 * 15);
    expect(p50)
      .to.be.at.least(38 * 15)
      .and.below(p99);
  });

  it('tells the slow ones from the fast', async () => {
    answer = (response, turn) => {
      if (turn % 10 === 5) void wait(1_000).then(() => succeed(response));
      else succeed(response);
    };
    const { p50, p99 } = await latencyBy(pacer, requests, { ...LOAD, connections: 64 });
    expect(p50).to.be.below(1_000);
    expect(p99).to.be.at.least(999);
  });

  for (const [what, refuse] of Object.entries(REFUSALS)) {
    it(`has none of it where one in ten is ${what}`, async () => {
      answer = (response, turn) => (turn % 10 === 5 ? refuse(response) : succeed(response));
      const error = await latencyBy(pacer, requests, ALL_COUNT).catch((caught: Error) => caught);
      expect(error).to.be.instanceOf(Error).with.property('message').that.includes('10 of 100');
      expect(asked).to.have.length(REQUESTS);
    });
  }

  it('takes a long answer', async () => {
    answer = (response) => void response.end('x'.repeat(60_000));
    const { failures } = await latencyBy(pacer, requests, LOAD);
    expect(failures).to.equal(0);
  });

  it('takes an answer that comes in pieces', async () => {
    answer = (response) => {
      response.setHeader('content-length', 8).write('we');
      setImmediate(() => {
        response.write('ll');
        void wait(5).then(() => response.end('done'));
      });
    };
    const { failures, p50 } = await latencyBy(pacer, requests, LOAD);
    expect(failures).to.equal(0);
    expect(p50).to.be.at.least(4);
  });

  it('has none of it where nobody is there', async () => {
    server.close();
    const error = await latencyBy(pacer, requests, ALL_COUNT).catch((caught: Error) => caught);
    expect(error).to.be.instanceOf(Error).with.property('message').that.includes('100 of 100');
  });

  it('goes on where a server ends a connection after its answer', async () => {
    answer = (response) => void response.setHeader('connection', 'close').end('well');
    const { failures } = await latencyBy(pacer, requests, LOAD);
    expect(failures).to.equal(0);
    expect(sockets.size).to.equal(REQUESTS);
  });
}
