import { EventEmitter } from 'node:events';
import { createLogger, outliveErrors } from '@presence/adapters/process';
import { Registry } from 'prom-client';

/** Meets an error of each kind that nobody catches, and then says how many were counted. */
const registry = new Registry();
outliveErrors(createLogger('clumsy', 'info'), registry);
setImmediate(() => {
  throw new Error('thrown in a callback');
});
setImmediate(() => void Promise.reject(new Error('rejected')));
setImmediate(() => new EventEmitter().emit('error', new Error('emitted')));
setTimeout(() => void registry.metrics().then((text) => process.stdout.write(text)), 50);
