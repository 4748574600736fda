import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { TurnCork } from '../dist/turn-cork.js';

describe('What is answered in one turn', () => {
  let server: Server;
  let clients: Socket[];
  /** The server's ends, in the order of the clients. */
  let sockets: Socket[];
  /** What each client has got. */
  let got: string[];
  let cork: TurnCork;

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    [clients, sockets, got] = [[], [], []];
    cork = new TurnCork();
  });

  afterEach(() => {
    for (const socket of [...clients, ...sockets]) socket.destroy();
    server.close();
  });

  async function open(count: number): Promise<void> {
    const { port } = server.address() as { port: number };
    for (let at = 0; at < count; at++) {
      const client = connect(port, '127.0.0.1');
      const [socket] = (await once(server, 'connection')) as [Socket];
      got[at] = '';
      client.on('data', (chunk) => {
        got[at] += chunk.toString('latin1');
      });
      clients.push(client);
      sockets.push(socket);
    }
  }

  const waiting = () => sockets.filter(({ writableLength }) => writableLength > 0).length;

  function answer(socket: Socket, text: string): void {
    cork.hold(socket);
    socket.write(text, 'latin1');
  }

  it('is sent at its end', async () => {
    await open(3);
    for (const [at, socket] of sockets.entries()) answer(socket, `é${at}`);
    expect(waiting()).to.equal(3);
    await nextTurn();
    expect(waiting()).to.equal(0);
    await eventually(() => got.every((text, at) => text === `é${at}`));
    answer(sockets[0]!, ', again');
    await eventually(() => got[0] === 'é0, again');
  });

  it('stays in front of what else is written to its socket', async () => {
    await open(1);
    answer(sockets[0]!, 'one, ');
    sockets[0]!.write('two, ');
    answer(sockets[0]!, 'three');
    await eventually(() => got[0] === 'one, two, three');
  });

  it('is sent before where it is much', async () => {
    await open(65);
    for (const socket of sockets) answer(socket, 'x');
    expect(waiting()).to.equal(1);
    await eventually(() => got.every((text) => text === 'x'));
  });

  it('is not sent to who has gone', async () => {
    await open(2);
    answer(sockets[0]!, 'gone');
    answer(sockets[1]!, 'there');
    sockets[0]!.destroy();
    await eventually(() => got[1] === 'there');
    expect(got[0]).to.equal('');
  });
});
