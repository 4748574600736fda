import { fsyncSync } from 'node:fs';
import type { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

/**
 * PGlite as it comes runs with fsync off, and its file system does not know the call: a commit
 * survives the end of the process, not that of the machine. These files carry it out, where the
 * database is started with {@link durableParameters}.
 */
export class DurableFiles extends NodeFS {
  override async init(
    ...[database, options]: Parameters<NodeFS['init']>
  ): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(database, options);
    const preRun = [emscriptenOpts.preRun ?? []].flat();
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...preRun, carryOutSync] } };
  }
}

interface NodeStream {
  /** The descriptor of the file below; a directory has none. */
  readonly nfd?: number;
}

interface NodeFileSystem {
  readonly stream_ops: { fsync?: (stream: NodeStream) => number };
}

function carryOutSync(module: PGlite['Module']): void {
  const { NODEFS } = module.FS.filesystems as unknown as { NODEFS: NodeFileSystem };
  NODEFS.stream_ops.fsync = ({ nfd }) => {
    if (nfd !== undefined) fsyncSync(nfd);
    return 0;
  };
}

/**
 * Of PGlite's own parameters all but `-F`, which is fsync off. fdatasync, the usual method on
 * Linux, does nothing in WebAssembly; fsync reaches the file system.
 */
export function durableParameters(defaults: readonly string[]): string[] {
  return [...defaults.filter((parameter) => parameter !== '-F'), '-c', 'wal_sync_method=fsync'];
}
