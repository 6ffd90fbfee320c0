import { crc32 } from '../../common/crc32.ts';
import type { FileSystem } from '../../common/file-system.ts';
import type { Committer, CommitResult, CommitterContext, Stamped } from '../../contracts/sink.ts';
import { DurableFolders } from './durable-folders.ts';
import { fileError, foreignFile, sharedFolder } from './errors.ts';
import type { PendingFile } from './pending-file.ts';
import {
  finishedPrefix,
  folderOf,
  unfinishedFolder,
  unfinishedPrefix,
  writerOf,
} from './sink-layout.ts';

const NO_LINKS = new Set<unknown>(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/**
 * Makes pending files visible: second name, folder synced, first name removed. A crash between any
 * two of these leaves a state in which doing it all again ends the same.
 */
export class FileCommitter implements Committer<PendingFile> {
  readonly #context: CommitterContext;
  readonly #fs: FileSystem;
  readonly #path: string;
  /** Until the restored committables are through: a crash may have torn their files. */
  #restoring = true;

  constructor(context: CommitterContext, path: string) {
    this.#context = context;
    this.#fs = context.world.fs;
    this.#path = path;
  }

  async commit(stamped: readonly Stamped<PendingFile>[]): Promise<CommitResult[]> {
    const results: CommitResult[] = [];
    const folders = new Set<string>();
    const durable = new DurableFolders(this.#fs, this.#path);
    for (const { committable } of stamped) {
      const result = await this.#guard('commit', committable.finalPath, () =>
        this.#publish(committable, durable),
      );
      results.push(result);
      if (result !== 'lost') folders.add(folderOf(committable.finalPath));
    }
    for (const folder of folders) {
      await this.#guard('sync a folder', folder, () => this.#fs.syncFolder(folder));
    }
    for (const [index, { committable }] of stamped.entries()) {
      if (results[index] === 'lost') continue;
      const { pendingPath } = committable;
      await this.#guard('remove', pendingPath, () => this.#fs.remove(pendingPath));
    }
    return results;
  }

  async abortLeftovers(): Promise<void> {
    this.#restoring = false;
    const folder = unfinishedFolder(this.#path, this.#context.uid);
    await this.#requireOwnFolder(folder);
    await this.#guard('clean up', folder, async () => {
      for (const { name } of await this.#fs.list(folder)) {
        if (this.#context.isLeftover(writerOf(name))) await this.#fs.remove(`${folder}/${name}`);
      }
    });
  }

  /**
   * Files of the history that this job was forked from are not in its way: names differ. But whoever reads the
   * folder would see the records of both.
   */
  async #requireOwnFolder(unfinished: string): Promise<void> {
    const { forkedFrom, uid } = this.#context;
    if (forkedFrom === undefined) return;
    const unfinishedOnes = unfinishedPrefix(forkedFrom);
    const finishedOnes = finishedPrefix(uid, forkedFrom);
    const found = await this.#guard('look into', this.#path, async () => {
      const open = await this.#fs.list(unfinished);
      if (open.some(({ name }) => name.startsWith(unfinishedOnes))) return true;
      return this.#holds(this.#path, finishedOnes);
    });
    if (found) throw sharedFolder(uid, this.#path);
  }

  async #holds(folder: string, prefix: string): Promise<boolean> {
    const entries = await this.#fs.list(folder);
    if (entries.some(({ name, kind }) => kind === 'file' && name.startsWith(prefix))) return true;
    for (const { name, kind } of entries) {
      if (kind === 'folder' && (await this.#holds(`${folder}/${name}`, prefix))) return true;
    }
    return false;
  }

  async #publish(file: PendingFile, folders: DurableFolders): Promise<CommitResult> {
    const { pendingPath, finalPath, sizeBytes } = file;
    const there = await this.#fs.stat(finalPath);
    if (there !== undefined) {
      if (there.sizeBytes === sizeBytes) return 'already';
      throw foreignFile(finalPath, sizeBytes, there.sizeBytes);
    }
    const pending = await this.#fs.stat(pendingPath);
    if (pending?.sizeBytes !== sizeBytes) return 'lost';
    if (this.#restoring && crc32(await this.#fs.readFile(pendingPath)) !== file.crc) return 'lost';
    await folders.make(folderOf(finalPath));
    await this.#name(pendingPath, finalPath);
    return 'done';
  }

  async #name(pendingPath: string, finalPath: string): Promise<void> {
    try {
      await this.#fs.link(pendingPath, finalPath);
    } catch (cause) {
      if (!NO_LINKS.has((cause as { code?: unknown }).code)) throw cause;
      // Final names are unique for ever, so that a rename can replace nothing.
      await this.#fs.rename(pendingPath, finalPath);
    }
  }

  async #guard<R>(doing: string, path: string, task: () => Promise<R>): Promise<R> {
    try {
      return await task();
    } catch (cause) {
      throw fileError(doing, path, cause);
    }
  }
}
