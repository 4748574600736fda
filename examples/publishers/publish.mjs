// node publish.mjs USER_ID   tells presence that a user has just been active in another service.
import { connect } from 'amqplib';

const connection = await connect(process.env.AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672');
const channel = await connection.createConfirmChannel();
channel.on('return', () => {
  throw new Error('No queue takes presence.heartbeat: the worker has not declared it yet.');
});

const event = {
  type: 'heartbeat',
  user_id: Number(process.argv[2] ?? 1),
  occurred_at: new Date().toISOString(),
  source: 'billing',
};
channel.publish('presence.events', 'presence.heartbeat', Buffer.from(JSON.stringify(event)), {
  contentType: 'application/json',
  persistent: true,
  mandatory: true,
});
await channel.waitForConfirms(); // From here on the event is on the broker's disk.
await connection.close();
console.log('published', event);
