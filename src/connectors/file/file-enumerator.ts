import type { EnumeratorContext, SplitEnumerator } from '../../contracts/source.ts';
import type { Cancel } from '../../common/clock.ts';
import { fileError } from './errors.ts';
import { absolutePath, findFiles } from './find-files.ts';
import { type FileEnumeratorState, type FileSplit, newSplit } from './file-split.ts';

export interface FilesToFind {
  readonly path: string;
  /** Undefined: looks once. */
  readonly everyMs: number | undefined;
  /** There need not be any. */
  readonly emptyIsFine: boolean;
}

/**
 * Finds files and gives one to each reader that asks. A bounded source looks once; a watching one
 * looks again and again. Both remember by their names the files that they gave away, so that a job may
 * change from one to the other.
 *
 * Names are forgotten when their files are gone, so that the memory is bounded by the folder; but
 * never all of them at once: a folder that is not mounted for a moment is no reason to read all anew.
 */
export class FileEnumerator implements SplitEnumerator<FileEnumeratorState> {
  readonly #context: EnumeratorContext<FileSplit>;
  readonly #path: string;
  readonly #everyMs: number | undefined;
  readonly #emptyIsFine: boolean;
  #complete: boolean;
  #pending: FileSplit[];
  #assigned: Set<string>;
  /** Subtasks that asked and got no answer yet. */
  readonly #waiting = new Set<number>();
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(
    context: EnumeratorContext<FileSplit>,
    where: FilesToFind,
    from: FileEnumeratorState | undefined,
  ) {
    this.#context = context;
    this.#path = absolutePath(where.path);
    this.#everyMs = where.everyMs;
    this.#emptyIsFine = where.emptyIsFine;
    this.#complete = from?.complete ?? false;
    this.#pending = [...(from?.pending ?? [])];
    this.#assigned = new Set(from?.assigned);
  }

  async start(): Promise<void> {
    if (!this.#complete || this.#everyMs !== undefined) await this.#look();
    this.#serve();
  }

  splitRequested(subtask: number): void {
    this.#waiting.add(subtask);
    this.#serve();
  }

  snapshot(): FileEnumeratorState {
    return {
      complete: this.#complete,
      pending: [...this.#pending],
      assigned: [...this.#assigned],
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
  }

  async #look(): Promise<void> {
    const files = await this.#find();
    const known = new Set(this.#pending.map((split) => split.file));
    if (files.length > 0) {
      this.#assigned = new Set(files.filter((file) => this.#assigned.has(file)));
    }
    for (const file of files) {
      if (!this.#assigned.has(file) && !known.has(file)) this.#pending.push(newSplit(file));
    }
    if (this.#everyMs === undefined) this.#complete = true;
    else this.#lookAgain(this.#everyMs);
  }

  async #find(): Promise<string[]> {
    try {
      return await findFiles(this.#context.world.fs, this.#path, this.#emptyIsFine);
    } catch (cause) {
      throw fileError('look for files', this.#path, cause);
    }
  }

  #lookAgain(everyMs: number): void {
    if (this.#closed) return;
    this.#cancel = this.#context.world.clock.after(everyMs, () => {
      this.#look().then(
        () => this.#serve(),
        (error: unknown) => this.#context.fail(error),
      );
    });
  }

  #serve(): void {
    if (this.#closed) return;
    for (const subtask of this.#waiting) {
      const split = this.#pending.shift();
      if (split === undefined && !this.#complete) return;
      this.#waiting.delete(subtask);
      if (split === undefined) {
        this.#context.noMoreSplits(subtask);
        continue;
      }
      this.#assigned.add(split.file);
      this.#context.assign(split, subtask);
    }
  }
}
