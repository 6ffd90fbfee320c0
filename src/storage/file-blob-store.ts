import { assert } from '../common/assert.ts';
import type { FileSystem, FolderEntry } from '../common/file-system.ts';
import { randomHex, type Random } from '../common/random.ts';
import { compareUtf8 } from '../common/utf8-order.ts';
import { RESERVED_PREFIX, checkBlobPath, checkBlobPrefix } from './blob-path.ts';
import {
  toEtag,
  type BlobEntry,
  type BlobStore,
  type ByteRange,
  type Bytes,
  type Etag,
} from './blob-store.ts';
import { DurableFolders } from './durable-folders.ts';
import { ReplaceableBlob, prepareReplaceable, writeSynced } from './replaceable-blob.ts';
import {
  cannotReplaceError,
  errnoOf,
  isGone,
  pathConflictError,
  storageError,
  type WriteProgress,
} from './storage-errors.ts';

/**
 * Blobs as files under a root folder, for many processes at a time.
 *
 * - What `create` makes is a plain file under the blob's path, so that any tool can read it. It is
 *   written under a temporary name, synced, and linked to its own, which fails if that is taken.
 * - What `replaceIf` makes is a folder under the blob's path: see `ReplaceableBlob`.
 * - Before a write is reported, the file, its folder and every folder above it that is not known to
 *   be durable are synced. A file whose sync failed is thrown away.
 * - Nothing is locked. A killed process leaves only temporary files; a later process removes those
 *   that have not been written to for a day. A writer whose file was taken from it writes it again.
 *
 * A plain file may be read before its name is durable; whoever needs certainty learns of it by a
 * replaceable blob that was written afterwards, as restore does by `HEAD`.
 */
export class FileBlobStore implements BlobStore {
  readonly url: string;
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #random: Random;
  readonly #folders: DurableFolders;
  #opened: Promise<void> | undefined;
  #swept = false;

  /** @param root an absolute path; made when something is first stored. */
  constructor(fs: FileSystem, root: string, random: Random) {
    assert(root.startsWith('/'), `the root of a file blob store is absolute, not ${root}`);
    this.#fs = fs;
    this.#root = root.replace(/\/+$/, '');
    this.#random = random;
    this.#folders = new DurableFolders(fs, this.#root);
    this.url = `file://${this.#root}`;
  }

  async create(path: string, bytes: Bytes): Promise<Etag | 'taken'> {
    const target = this.#target(path);
    return this.#attempts('create', path, async (progress) => {
      const temporary = this.#temporaryName();
      await writeSynced(this.#fs, temporary, bytes);
      try {
        const stat = await this.#fs.stat(temporary);
        if (stat === undefined) return undefined;
        await this.#sweep(stat.modifiedMs);
        await this.#makeParent(target);
        progress.published = true;
        const outcome = await this.#take(target, path, () => this.#fs.link(temporary, target));
        return outcome === 'done' ? plainEtag(stat.fileId) : outcome;
      } finally {
        // The blob is stored, or not, whatever becomes of this name: a sweep takes what is left.
        await this.#fs.remove(temporary).catch(() => undefined);
      }
    });
  }

  async replaceIf(
    path: string,
    bytes: Bytes,
    expected: Etag | undefined,
  ): Promise<Etag | 'changed'> {
    const target = this.#target(path);
    if (expected === undefined) return this.#createReplaceable(path, target, bytes);
    const progress: WriteProgress = { published: false };
    return this.#guarded({ operation: 'replaceIf', path, progress }, async () => {
      const stat = await this.#fs.stat(target);
      if (stat === undefined) {
        await this.#folders.makeDurable(target);
        return 'changed';
      }
      if (stat.kind === 'file') {
        if (plainEtag(stat.fileId) !== expected) return 'changed';
        throw cannotReplaceError(this.#urlOf(path));
      }
      return this.#replaceable(target).replace(bytes, expected, { id: this.#id(), progress });
    });
  }

  async read(
    path: string,
    range?: ByteRange,
  ): Promise<{ bytes: Uint8Array; etag: Etag } | undefined> {
    const target = this.#target(path);
    return this.#guarded({ operation: 'read', path }, async () => {
      try {
        return await this.#readPlain(target, range);
      } catch (error) {
        if (isGone(error)) return undefined;
        if (errnoOf(error) !== 'EISDIR') throw error;
      }
      return this.#replaceable(target).read(this.#urlOf(path), range);
    });
  }

  async *list(prefix: string): AsyncIterable<BlobEntry> {
    const folder = checkBlobPrefix(prefix);
    yield* this.#walk(folder);
  }

  async delete(paths: readonly string[]): Promise<void> {
    const targets = paths.map((path) => this.#target(path));
    const parents = new Set<string>();
    for (const [index, target] of targets.entries()) {
      const path = paths[index] ?? '';
      await this.#guarded({ operation: 'delete', path }, () => this.#deleteOne(target));
      parents.add(parentOf(target));
    }
    for (const parent of parents) {
      const path = parent.slice(this.#root.length + 1);
      await this.#guarded({ operation: 'delete', path }, async () => {
        // The folder may be another one by now, which is not durable; what was deleted lay in the one before.
        await this.#folders.makeDurable(`${parent}/-`);
        await this.#folders.prune(parent);
      });
    }
  }

  #createReplaceable(path: string, target: string, bytes: Bytes): Promise<Etag | 'changed'> {
    return this.#attempts('replaceIf', path, async (progress) => {
      const temporary = this.#temporaryName();
      try {
        const etag = await prepareReplaceable(this.#fs, temporary, bytes, this.#id());
        const stat = await this.#fs.stat(temporary);
        if (stat === undefined) return undefined;
        await this.#sweep(stat.modifiedMs);
        await this.#makeParent(target);
        progress.published = true;
        const outcome = await this.#take(target, path, () => this.#fs.rename(temporary, target));
        if (outcome === 'done') return etag;
        return outcome === 'taken' ? 'changed' : undefined;
      } finally {
        await this.#removeTemporary(temporary).catch(() => undefined);
      }
    });
  }

  /** Tries to give a prepared file or folder its name; `undefined` says that it is worth another try. */
  async #take(
    target: string,
    path: string,
    give: () => Promise<void>,
  ): Promise<'done' | 'taken' | undefined> {
    let outcome: 'done' | 'taken' | undefined = 'done';
    try {
      await give();
    } catch (error) {
      const errno = errnoOf(error) ?? '';
      if (!['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR'].includes(errno)) throw error;
      outcome = await this.#occupied(target, path);
    }
    // Also what another made and is now reported as taken has to last.
    if (outcome !== undefined) await this.#folders.makeDurable(target);
    return outcome;
  }

  async #occupied(target: string, path: string): Promise<'taken' | undefined> {
    const stat = await this.#fs.stat(target);
    if (stat === undefined) return undefined;
    if (stat.kind === 'file') return 'taken';
    const blob = this.#replaceable(target);
    switch (await blob.state()) {
      case 'live':
        await blob.settle();
        return 'taken';
      case 'dead':
        await blob.clear();
        return undefined;
      case 'foreign':
        throw pathConflictError(this.#urlOf(path));
    }
  }

  async #readPlain(
    target: string,
    range: ByteRange | undefined,
  ): Promise<{ bytes: Uint8Array; etag: Etag }> {
    const reader = await this.#fs.openRead(target);
    try {
      const bytes = await reader.read(range?.offset ?? 0, range?.length ?? reader.sizeBytes);
      return { bytes, etag: plainEtag(reader.fileId) };
    } finally {
      await reader.close();
    }
  }

  async #deleteOne(target: string): Promise<void> {
    for (;;) {
      const stat = await this.#fs.stat(target);
      if (stat === undefined) return;
      if (stat.kind === 'folder') {
        const blob = this.#replaceable(target);
        if ((await blob.state()) !== 'foreign') await blob.remove();
        return;
      }
      try {
        await this.#fs.remove(target);
        return;
      } catch (error) {
        // Since it was looked at, another deleted it and made a replaceable one.
        if (errnoOf(error) !== 'EISDIR' && errnoOf(error) !== 'EPERM') throw error;
        if ((await this.#fs.stat(target))?.kind === 'file') throw error;
      }
    }
  }

  async *#walk(folder: string): AsyncIterable<BlobEntry> {
    const operation = 'list';
    const found = await this.#guarded({ operation, path: folder }, () => this.#scan(folder));
    for (const { name, kind } of found) {
      const path = folder + name;
      if (kind === 'folder') {
        yield* this.#walk(`${path}/`);
        continue;
      }
      const entry = await this.#guarded({ operation, path }, () => this.#entry(path, kind));
      if (entry !== undefined) yield entry;
    }
  }

  async #entry(path: string, kind: 'file' | 'replaceable'): Promise<BlobEntry | undefined> {
    const target = this.#target(path);
    if (kind === 'replaceable') {
      return this.#replaceable(target).entry(this.#urlOf(path), path);
    }
    const stat = await this.#fs.stat(target);
    return stat && { path, sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs };
  }

  /** What is in a folder, ordered as the paths are: `a-b` comes before `a/b`. */
  async #scan(folder: string): Promise<Found[]> {
    const found: Found[] = [];
    const names = await this.#list(`${this.#root}/${folder}`.replace(/\/$/, ''));
    for (const { name, kind } of names) {
      if (name.startsWith(RESERVED_PREFIX)) continue;
      const blob = this.#replaceable(`${this.#root}/${folder}${name}`);
      const isBlob = kind === 'folder' && (await blob.state()) === 'live';
      found.push({ name, kind: isBlob ? 'replaceable' : kind });
    }
    return found.sort((left, right) => compareUtf8(orderKey(left), orderKey(right)));
  }

  async #list(folder: string): Promise<readonly FolderEntry[]> {
    try {
      return await this.#fs.list(folder);
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  }

  /** Repeats while the world changes under a write: folders that others remove, names they free. */
  async #attempts<T>(
    operation: string,
    path: string,
    attempt: (progress: WriteProgress) => Promise<T | undefined>,
  ): Promise<T> {
    // Of all attempts: what one of them may have published counts for the next ones too.
    const progress: WriteProgress = { published: false };
    return this.#guarded({ operation, path, progress }, async () => {
      for (let left = ATTEMPTS_MAX; ; left -= 1) {
        try {
          await this.#open();
          const result = await attempt(progress);
          if (result !== undefined) return result;
          assert(left > 0, `${operation} of ${path} is always overtaken`);
        } catch (error) {
          if (errnoOf(error) !== 'ENOENT' || left === 0) throw error;
          this.#opened = undefined;
        }
      }
    });
  }

  /** Makes the root and the place of temporary files, once; again if somebody removed them. */
  #open(): Promise<void> {
    this.#opened ??= this.#folders.makeRoot(this.#temporaryFolder).catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #makeParent(target: string): Promise<void> {
    try {
      await this.#fs.makeFolder(parentOf(target));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST' && errnoOf(error) !== 'ENOTDIR') throw error;
      throw pathConflictError(`file://${target}`, error);
    }
  }

  /** Removes what dead writers left, once. The time is the file system's: that of a file just written. */
  async #sweep(nowMs: number): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    for (const { name } of await this.#fs.list(this.#temporaryFolder)) {
      const temporary = `${this.#temporaryFolder}/${name}`;
      const stat = await this.#fs.stat(temporary);
      if (stat && nowMs - stat.modifiedMs > TEMPORARY_AGE_MS)
        await this.#removeTemporary(temporary);
    }
  }

  async #removeTemporary(temporary: string): Promise<void> {
    const stat = await this.#fs.stat(temporary);
    if (stat?.kind === 'file') return this.#fs.remove(temporary);
    for (const { name } of await this.#fs.list(temporary)) {
      await this.#fs.remove(`${temporary}/${name}`);
    }
    await this.#fs.removeFolder(temporary);
  }

  async #guarded<T>(
    { operation, path, progress }: GuardedOperation,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storageError(error, { operation, url: this.#urlOf(path), progress });
    }
  }

  #replaceable(target: string): ReplaceableBlob {
    return new ReplaceableBlob(this.#fs, this.#folders, target);
  }

  get #temporaryFolder(): string {
    return `${this.#root}/${RESERVED_PREFIX}tmp`;
  }

  #temporaryName(): string {
    return `${this.#temporaryFolder}/${this.#id()}`;
  }

  #id(): string {
    return randomHex(this.#random, 24);
  }

  #target(path: string): string {
    checkBlobPath(path);
    return `${this.#root}/${path}`;
  }

  #urlOf(path: string): string {
    return `${this.url}/${path}`;
  }
}

interface GuardedOperation {
  readonly operation: string;
  readonly path: string;
  /** Of a write. */
  readonly progress?: WriteProgress;
}

interface Found {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'replaceable';
}

/** How often a write is overtaken by others' deletes before it gives up. */
const ATTEMPTS_MAX = 100;

/** Longer than any living writer rests between two writes; sooner only costs that writer a repetition. */
const TEMPORARY_AGE_MS = 24 * 60 * 60 * 1000;

function plainEtag(fileId: string): Etag {
  return toEtag(`f${fileId}`);
}

function orderKey(found: Found): string {
  return found.kind === 'folder' ? `${found.name}/` : found.name;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
