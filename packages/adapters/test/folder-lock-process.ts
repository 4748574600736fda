import { lockFolder } from '@presence/adapters/embedded';

/** Holds a data folder until its input ends. */
const lock = await lockFolder(process.argv[2]!, () => process.exit(1));
await lock.publish('postgres://somewhere');
process.stdout.write('locked\n');
process.stdin.resume().once('end', () => void lock.release());
