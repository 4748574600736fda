import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { probe, WARM_UP } from '../dist/src/probe.js';

const COUNT = 40;
const RATE = 200;

describe('probe', () => {
  let server: Server;
  let url: string;
  let asked: string[];
  let answer: (response: ServerResponse) => void;

  beforeEach(async () => {
    asked = [];
    answer = (response) => void response.end('well');
    server = createServer((request, response) => {
      asked.push(request.url!);
      answer(response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const at = (time: number) => ({ method: 'GET', url: `${url}/?at=${time}`, token: 'token' });

  it('asks what is to be asked at each moment, and counts what comes after warming up', async () => {
    const { requests } = await probe(at, { count: COUNT, rate: RATE });
    expect(requests).to.equal(COUNT);
    const [first, ...others] = asked.map((path) => Number(path.slice('/?at='.length)));
    expect(first).to.be.closeTo(Date.now(), 10_000);
    const times = Array.from(
      { length: WARM_UP + COUNT },
      (_, turn) => first! + (turn * 1_000) / RATE,
    );
    expect(others.toSorted((a, b) => a - b)).to.deep.equal(times);
  });

  it('tells what is answered where that is no success', async () => {
    answer = (response) =>
      void response.writeHead(404, { 'content-length': 18 }).end('{"error":"nobody"}');
    const error = await probe(at, { count: COUNT, rate: RATE }).catch((caught: Error) => caught);
    expect(error).to.be.instanceOf(Error).with.property('message').that.includes('404: {"error"');
    expect(asked).to.have.length(1);
  });
});
