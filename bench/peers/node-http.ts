import { createServer } from 'node:http';

/** The floor under everything: Node answers a constant, and knows nobody. */
const ANSWER = JSON.stringify({
  message: 'Heartbeat recorded',
  online_status: 'online',
  last_seen: '2026-01-01T00:00:00.000Z',
  next_heartbeat_in: 30,
});
const HEADERS = { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length };

const server = createServer((_, response) => {
  response.writeHead(200, HEADERS);
  response.end(ANSWER);
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
