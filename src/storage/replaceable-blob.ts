import type { FileSystem } from '../common/file-system.ts';
import { toEtag, type BlobEntry, type ByteRange, type Bytes, type Etag } from './blob-store.ts';
import { RESERVED_PREFIX } from './blob-path.ts';
import { partsOf } from './bytes.ts';
import type { DurableFolders } from './durable-folders.ts';
import { isGone, isRefusal, missingBodyError, type WriteProgress } from './storage-errors.ts';

/**
 * A blob that can be replaced, on a file system: a folder under the blob's own name.
 *
 * ```text
 * jobs/HEAD/.tidemark-head-7-5b0c…    empty; its name says which content is the blob's
 * jobs/HEAD/.tidemark-body-7-5b0c…    the content
 * ```
 *
 * Compare-and-swap is one `rename` of the head from the old version's name to the new one's. A
 * version's id is drawn anew and never comes back, so the rename succeeds for one writer only and
 * fails with `ENOENT` for whoever read an older version. There is no lock that a killed process
 * could leave behind.
 *
 * - The body is synced, and its name, before the head names it.
 * - A write that fails before the rename took no effect. So did one whose rename was refused, if the
 *   folder shows the old head. What fails otherwise may have been done.
 * - The body of version n can become the blob's only while n - 1 is the head: all others up to the
 *   head's version are garbage, which the next writer removes.
 * - Without a head there is no blob. The folder is born whole, by a rename to the blob's name.
 * - What is read or reported is made durable first, so that a crash takes back nothing that was seen.
 *
 * The format: docs/formats/file-blob-store.md.
 */
export class ReplaceableBlob {
  readonly #fs: FileSystem;
  readonly #folders: DurableFolders;
  readonly #folder: string;

  constructor(fs: FileSystem, folders: DurableFolders, folder: string) {
    this.#fs = fs;
    this.#folders = folders;
    this.#folder = folder;
  }

  /** `dead`: nothing but what a deleted blob left. `foreign`: a folder of other blobs. */
  async state(): Promise<'live' | 'dead' | 'foreign'> {
    const names = await this.#names();
    if (headIn(names) !== undefined) return 'live';
    return names.every((name) => name.startsWith(RESERVED_PREFIX)) ? 'dead' : 'foreign';
  }

  async read(
    url: string,
    range?: ByteRange,
  ): Promise<{ bytes: Uint8Array; etag: Etag } | undefined> {
    return this.#withHead(url, async (head) => {
      await this.settle();
      const reader = await this.#fs.openRead(this.#path(bodyName(head)));
      try {
        const bytes = await reader.read(range?.offset ?? 0, range?.length ?? reader.sizeBytes);
        return { bytes, etag: etagOf(head) };
      } finally {
        await reader.close();
      }
    });
  }

  async entry(url: string, path: string): Promise<BlobEntry | undefined> {
    return this.#withHead(url, async (head) => {
      const stat = await this.#fs.stat(this.#path(bodyName(head)));
      return stat && { path, sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs };
    });
  }

  /** @param progress Says afterwards whether anything of the write can have been seen. */
  async replace(
    bytes: Bytes,
    expected: Etag,
    { id, progress }: { readonly id: string; readonly progress: WriteProgress },
  ): Promise<Etag | 'changed'> {
    const head = headIn(await this.#names());
    const next = { number: (head?.number ?? 0) + 1, id };
    const isOurs =
      head !== undefined &&
      etagOf(head) === expected &&
      (await this.#installed({ head, next, progress }, bytes));
    await this.settle();
    if (!isOurs) return 'changed';
    await this.#removeBodies(next);
    return etagOf(next);
  }

  /** Makes what was seen here durable. */
  settle(): Promise<void> {
    return this.#folders.makeDurable(this.#path('-'));
  }

  /** When it returns there is no blob, and durably so; the folder may be left, empty. */
  async remove(): Promise<void> {
    for (;;) {
      const head = headIn(await this.#names());
      if (head === undefined) break;
      await this.#fs.remove(this.#path(headName(head)));
    }
    await this.clear();
  }

  /** Removes what a deleted blob left behind. */
  async clear(): Promise<void> {
    const names = await this.#names();
    if (headIn(names) !== undefined) return;
    // The head's end has to be durable first, whoever removed it: a head without a body is damage.
    await this.#folders.syncIfThere(this.#folder);
    for (const name of names) {
      if (versionOf(name, BODY) !== undefined) await this.#fs.remove(this.#path(name));
    }
    await this.#fs.removeFolder(this.#folder);
  }

  async #installed(change: Change, bytes: Bytes): Promise<boolean> {
    const { head, next, progress } = change;
    try {
      await writeSynced(this.#fs, this.#path(bodyName(next)), bytes);
      await this.#fs.syncFolder(this.#folder);
      progress.published = true;
      await this.#fs.rename(this.#path(headName(head)), this.#path(headName(next)));
      return true;
    } catch (error) {
      if (isGone(error)) {
        await this.#fs.remove(this.#path(bodyName(next)));
        return false;
      }
      if (progress.published && isRefusal(error)) await this.#lookAfterRefusal(change);
      // On a full disk its place is needed; but where the head may name it, it has to stay.
      if (!progress.published) {
        await this.#fs.remove(this.#path(bodyName(next))).catch(() => undefined);
      }
      throw error;
    }
  }

  /** Takes the operating system's word that it did not rename only if the folder bears it out. */
  async #lookAfterRefusal({ head, next, progress }: Change): Promise<void> {
    const names = await this.#listed();
    if (names.includes(headName(next)) || !names.includes(headName(head))) return;
    progress.published = false;
  }

  /** Removes the bodies that can never become the blob's any more. */
  async #removeBodies(head: Version): Promise<void> {
    for (const name of await this.#names()) {
      const body = versionOf(name, BODY);
      if (body === undefined || body.number > head.number || body.id === head.id) continue;
      await this.#fs.remove(this.#path(name));
    }
  }

  /** Runs `use` with the current version, again and again while others replace it meanwhile. */
  async #withHead<T>(
    url: string,
    use: (head: Version) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    let last: Version | undefined;
    for (;;) {
      const head = headIn(await this.#names());
      if (head === undefined) return undefined;
      if (head.id === last?.id) throw missingBodyError(url, bodyName(head));
      try {
        const result = await use(head);
        if (result !== undefined) return result;
      } catch (error) {
        if (!isGone(error)) throw error;
      }
      last = head;
    }
  }

  /** A folder is not read in one piece everywhere: while a head is renamed it may seem to have none. */
  async #names(): Promise<readonly string[]> {
    let names: readonly string[] = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      names = await this.#listed();
      if (headIn(names) !== undefined || !names.some((name) => BODY.test(name))) break;
    }
    return names;
  }

  async #listed(): Promise<readonly string[]> {
    try {
      return (await this.#fs.list(this.#folder)).map((entry) => entry.name);
    } catch (error) {
      // It was deleted, and a plain blob was made in its place.
      if (isGone(error)) return [];
      throw error;
    }
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }
}

/** Fills a fresh folder with a first version; it is born when the caller renames it to the blob's name. */
export async function prepareReplaceable(
  fs: FileSystem,
  folder: string,
  bytes: Bytes,
  id: string,
): Promise<Etag> {
  const version = { number: 1, id };
  await fs.makeFolder(folder);
  await writeSynced(fs, `${folder}/${bodyName(version)}`, bytes);
  const head = await fs.openWrite(`${folder}/${headName(version)}`, 'create');
  await head.close();
  await fs.syncFolder(folder);
  return etagOf(version);
}

/**
 * Bytes that are written at once. Each write ends in a turn of the event loop, and a thread that is busy has
 * one in some milliseconds only.
 */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Neighbouring parts in one. What is large by itself is not copied. */
function* piecesOf(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  let some: Uint8Array[] = [];
  let bytes = 0;
  for (const part of parts) {
    if (bytes > 0 && bytes + part.length > PIECE_BYTES) {
      yield joined(some, bytes);
      some = [];
      bytes = 0;
    }
    some.push(part);
    bytes += part.length;
  }
  if (bytes > 0) yield joined(some, bytes);
}

function joined(parts: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const all = new Uint8Array(sizeBytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Writes a new file and makes its bytes, not its name, durable. After a failure it is removed. */
export async function writeSynced(fs: FileSystem, path: string, bytes: Bytes): Promise<void> {
  const writer = await fs.openWrite(path, 'create');
  try {
    try {
      for (const piece of piecesOf(partsOf(bytes))) await writer.write(piece);
      await writer.sync();
    } finally {
      await writer.close();
    }
  } catch (error) {
    await fs.remove(path).catch(() => undefined);
    throw error;
  }
}

interface Version {
  readonly number: number;
  readonly id: string;
}

interface Change {
  readonly head: Version;
  readonly next: Version;
  readonly progress: WriteProgress;
}

const HEAD = /^\.tidemark-head-(\d+)-([0-9a-f]+)$/;
const BODY = /^\.tidemark-body-(\d+)-([0-9a-f]+)$/;

function headName(version: Version): string {
  return `${RESERVED_PREFIX}head-${version.number}-${version.id}`;
}

function bodyName(version: Version): string {
  return `${RESERVED_PREFIX}body-${version.number}-${version.id}`;
}

function etagOf(version: Version): Etag {
  return toEtag(`v${version.number}-${version.id}`);
}

function versionOf(name: string, pattern: RegExp): Version | undefined {
  const [, number, id] = pattern.exec(name) ?? [];
  return number === undefined || id === undefined ? undefined : { number: Number(number), id };
}

function headIn(names: readonly string[]): Version | undefined {
  return names
    .map((name) => versionOf(name, HEAD))
    .reduce((best, each) => (each && each.number > (best?.number ?? 0) ? each : best), undefined);
}
