import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { Connections, requestText } from '../dist/src/connections.js';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';

describe('Connections of a benchmark', () => {
  let server: Server;
  let url: URL;
  let opened: number;
  let connections: Connections;
  /** What is done with each request, in order. */
  let answers: ((socket: Socket) => void)[];

  beforeEach(async () => {
    answers = [];
    opened = 0;
    server = createServer((socket) => {
      opened++;
      socket.on('error', () => {});
      socket.on('data', () => answers.shift()!(socket));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/path`);
  });

  afterEach(async () => {
    connections.close();
    await new Promise((resolve) => server.close(resolve));
  });

  function ask(): Promise<string> {
    const request = requestText({ method: 'POST', url, token: 'abc' });
    return new Promise((resolve) => {
      connections.send(request, (status, body) => resolve(`${status} ${body}`));
    });
  }

  it('take an answer however it is cut into pieces', async () => {
    connections = new Connections(url);
    for (let at = 1; at < ANSWER.length; at++) {
      answers.push((socket) => {
        socket.setNoDelay(true).write(ANSWER.slice(0, at));
        // Not before the first part has been read, in the turn between.
        setImmediate(() => setImmediate(() => socket.write(ANSWER.slice(at))));
      });
      expect(await ask(), `cut at ${at}`).to.equal('200 hello');
    }
    expect(opened).to.equal(1);
  });

  it('let requests wait for their turn, in order, where there are no more of them', async () => {
    connections = new Connections(url, 1);
    const order: number[] = [];
    const all = [0, 1, 2].map((turn) => {
      answers.push((socket) => socket.write(ANSWER));
      return ask().then(() => order.push(turn));
    });
    await Promise.all(all);
    expect(order).to.deep.equal([0, 1, 2]);
    expect(opened).to.equal(1);
  });

  it('tell of a request whose connection is lost, and go on with another', async () => {
    connections = new Connections(url, 1);
    answers.push((socket) => socket.destroy());
    answers.push((socket) => socket.write(ANSWER));
    expect(await Promise.all([ask(), ask()])).to.deep.equal(['0 ', '200 hello']);
    expect(opened).to.equal(2);
  });

  it('do not use one that the server says it closes', async () => {
    connections = new Connections(url, 1);
    answers.push((socket) => socket.write(ANSWER.replace('OK', 'OK\r\nConnection: close')));
    answers.push((socket) => socket.write(ANSWER));
    expect(await Promise.all([ask(), ask()])).to.deep.equal(['200 hello', '200 hello']);
    expect(opened).to.equal(2);
  });

  it('take an answer that does not say how long it is for none', async () => {
    connections = new Connections(url, 1);
    answers.push((socket) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
    answers.push((socket) => socket.write(ANSWER));
    const all = await Promise.all([ask(), ask()]);
    expect(all).to.deep.equal(['0 HTTP/1.1 204 No Content\r\n\r\n', '200 hello']);
  });

  it('do not use one where more comes than was asked for', async () => {
    connections = new Connections(url, 1);
    answers.push((socket) => {
      socket.setNoDelay(true).write(ANSWER);
      setImmediate(() => setImmediate(() => socket.write(ANSWER)));
      socket.once('close', () => answers.push((next) => next.write(ANSWER.replace('200', '201'))));
    });
    expect(await ask()).to.equal('200 hello');
    while (answers.length === 0) await wait(1);
    expect(await ask()).to.equal('201 hello');
    expect(opened).to.equal(2);
  });

  it('give up what is not answered', async () => {
    connections = new Connections(url, Number.POSITIVE_INFINITY, 50);
    answers.push(() => {});
    expect(await ask()).to.equal('0 ');
  });
});

describe('A request of a benchmark', () => {
  const url = new URL('http://127.0.0.1:80/path?page=1');

  it('has no body unless one is given', () => {
    expect(requestText({ method: 'GET', url, token: 'abc' }).split('\r\n')).to.deep.equal([
      'GET /path?page=1 HTTP/1.1',
      'Host: 127.0.0.1',
      'Authorization: Bearer abc',
      '',
      '',
    ]);
  });

  it('says how long its body is', () => {
    const text = requestText({ method: 'POST', url, token: 'abc', body: { name: 'ü' } });
    expect(text).to.contain('\r\nContent-Type: application/json\r\nContent-Length: 13\r\n');
    expect(text.endsWith('\r\n\r\n{"name":"ü"}')).to.equal(true);
  });
});
