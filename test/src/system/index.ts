export { Client } from './client.js';
export { Ledger } from './ledger.js';
export {
  ADD_PEOPLE,
  addPeopleValues,
  newSession,
  type Person,
  peopleFrom,
} from './people.js';
export {
  foldOf,
  type Message,
  randomLog,
  randomMessages,
  rowText,
  sequence,
} from './random-log.js';
export {
  Api,
  type ApiOptions,
  JWT_SECRET,
  RunningSystem,
  type WorkerProcess,
} from './running-system.js';
export { type Direction, TcpProxy } from './tcp-proxy.js';
