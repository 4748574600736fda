/** What an entry of the agenda is; its subject is the index of a device, an API, a worker … */
export const MOMENT = {
  open: 0,
  act: 1,
  straggle: 2,
  flush: 3,
  renewApi: 4,
  tick: 5,
  renewWorker: 6,
  commit: 7,
  keep: 8,
  fault: 9,
  repair: 10,
  sample: 11,
} as const;
