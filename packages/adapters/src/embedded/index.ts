export {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from './embedded-postgres.js';
export {
  type FolderLock,
  type FolderOwner,
  FolderTaken,
  folderOwner,
  lockFolder,
} from './folder-lock.js';
