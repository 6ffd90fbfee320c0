import type { FileSystem } from '../../common/file-system.ts';
import { folderOf } from './sink-layout.ts';

/** More than a job has buckets open at a time; beyond it folders are made durable once more. */
const REMEMBERED_MAX = 10_000;

/** Makes folders so that they survive a crash, each once. */
export class DurableFolders {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #made = new Set<string>();

  /** @param root Folders above it are taken for durable if they are there. */
  constructor(fs: FileSystem, root: string) {
    this.#fs = fs;
    this.#root = root;
  }

  async make(folder: string): Promise<void> {
    if (this.#made.has(folder)) return;
    const missing: string[] = [];
    for (let path = folder; path !== '/'; path = folderOf(path)) {
      // Below the root a folder may be there and still not durable: its maker may have crashed.
      if (!path.startsWith(this.#root) && (await this.#fs.stat(path)) !== undefined) break;
      missing.push(path);
    }
    await this.#fs.makeFolder(folder);
    for (const path of missing.reverse()) await this.#fs.syncFolder(folderOf(path));
    if (this.#made.size >= REMEMBERED_MAX) this.#made.clear();
    this.#made.add(folder);
  }
}
