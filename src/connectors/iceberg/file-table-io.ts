import type { FileSystem } from '../../common/file-system.ts';
import { randomHex, type Random } from '../../common/random.ts';
import { FileBlobStore } from '../../storage/file-blob-store.ts';
import { storageError } from '../../storage/storage-errors.ts';
import { outsideTable } from './errors.ts';
import { BlobTableIo } from './table-io.ts';

/** Tables on a disk of this machine, or one that it mounts. */
export class FileTableIo extends BlobTableIo {
  readonly #fs: FileSystem;
  readonly #random: Random;
  readonly #folder: string;

  /** @param folder Absolute; all locations are below it. */
  constructor(fs: FileSystem, folder: string, random: Random) {
    super(new FileBlobStore(fs, folder, random));
    this.#fs = fs;
    this.#random = random;
    this.#folder = folder.replace(/\/+$/, '');
  }

  async replace(location: string, bytes: Uint8Array): Promise<void> {
    const target = `${this.#folder}/${this.pathOf(location)}`;
    const parent = target.slice(0, target.lastIndexOf('/'));
    const temporary = `${parent}/.${randomHex(this.#random, 16)}.tmp`;
    try {
      await this.#fs.makeFolder(parent);
      const file = await this.#fs.openWrite(temporary, 'create');
      try {
        await file.write(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#fs.rename(temporary, target);
      await this.#fs.syncFolder(parent);
    } catch (error) {
      await this.#fs.remove(temporary).catch(() => undefined);
      throw storageError(error, { operation: 'replace', url: location });
    }
  }

  protected pathOf(location: string): string {
    const path = localPath(location);
    if (path?.startsWith(`${this.#folder}/`) !== true) throw outsideTable(location, this.root);
    return path.slice(this.#folder.length + 1);
  }
}

/** `file:///a`, `file:/a` and `/a` are one; undefined for what is on no disk. */
export function localPath(location: string): string | undefined {
  const path = location.replace(/^file:(\/\/)?(?=\/)/, '');
  return path.startsWith('/') ? path.replace(/\/+$/, '') : undefined;
}
