import type { FileSystem } from '../common/file-system.ts';
import { errnoOf, isGone } from './storage-errors.ts';

/** Folders remembered as durable. Beyond that all are forgotten, which costs syncs only. */
const REMEMBERED_MAX = 10_000;

/** Above the root there may be folders that we must not open, and that were there before us. */
const NOT_OURS = ['EACCES', 'EPERM', 'EROFS', 'EINVAL', 'ENOENT'];

/**
 * Which folders beneath a root are sure to survive a crash.
 *
 * A folder that is there need not be durable: whoever made it may have died before the sync. So one
 * is trusted only after this process synced the folder above it, and only as long as it is the very
 * same one: another process may remove an empty folder and make it anew.
 */
export class DurableFolders {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #fileIds = new Map<string, string>();

  constructor(fs: FileSystem, root: string) {
    this.#fs = fs;
    this.#root = root;
  }

  /** Makes the root and a folder in it, and every name on the way to the root durable. */
  async makeRoot(folder: string): Promise<void> {
    await this.#fs.makeFolder(folder);
    for (let above = parentOf(this.#root); ; above = parentOf(above)) {
      await this.#fs.syncFolder(above === '' ? '/' : above).catch((error: unknown) => {
        if (!NOT_OURS.includes(errnoOf(error) ?? '')) throw error;
      });
      if (above === '') return;
    }
  }

  /** Makes the name `target` durable, or that there is none; and the names of all folders above it. */
  async makeDurable(target: string): Promise<void> {
    const fresh: (readonly [folder: string, fileId: string])[] = [];
    let folder = parentOf(target);
    await this.syncIfThere(folder);
    while (folder !== this.#root) {
      const stat = await this.#fs.stat(folder);
      if (stat !== undefined) {
        if (this.#fileIds.get(folder) === stat.fileId) break;
        fresh.push([folder, stat.fileId]);
      }
      // A folder that is gone was not the last of its name for sure: what is durable above it decides.
      folder = parentOf(folder);
      await this.syncIfThere(folder);
    }
    if (this.#fileIds.size + fresh.length > REMEMBERED_MAX) this.#fileIds.clear();
    for (const [each, fileId] of fresh) this.#fileIds.set(each, fileId);
  }

  /**
   * Makes the names in `folder` durable. If it is gone, makes that durable: else a power failure
   * could bring it back with the names that were removed from it before.
   */
  async syncIfThere(folder: string): Promise<void> {
    for (let each = folder; ; each = parentOf(each)) {
      try {
        await this.#fs.syncFolder(each);
        return;
      } catch (error) {
        if (!isGone(error)) throw error;
        if (each === this.#root) return;
      }
    }
  }

  /** Removes `folder` and those above it, below the root, as far as they are empty. */
  async prune(folder: string): Promise<void> {
    for (let each = folder; each !== this.#root; each = parentOf(each)) {
      await this.#fs.removeFolder(each);
      this.#fileIds.delete(each);
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
