import type { FileSystem } from '../../common/file-system.ts';
import { folderOf } from './sink-layout.ts';

/**
 * Makes folders so that they survive a crash, each once. For one round of work: a folder that somebody
 * removes is made again by the next.
 */
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
    this.#made.add(folder);
  }
}
