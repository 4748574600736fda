import { type FolderLock, lockFolder } from '@presence/adapters/embedded';
import type { Environment } from '@presence/adapters/environment';

/** Relative to where the command is given. */
const DEFAULT = '.presence';

export function dataFolder({ PRESENCE_DATA_DIR }: Environment): string {
  return PRESENCE_DATA_DIR || DEFAULT;
}

/** @throws FolderTaken */
export function lockDataFolder(environment: Environment): Promise<FolderLock> {
  return lockFolder(dataFolder(environment), (error) => {
    // To go on writing beside somebody else would destroy the data of both.
    process.stderr.write(`The data folder is not ours any more: ${error.message}\n`);
    process.exit(1);
  });
}
