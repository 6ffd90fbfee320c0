import { EngineError } from '../../src/common/errors.ts';
import { REFUSED_WRITE } from '../../src/storage/storage-errors.ts';
import type { BlobEntry, BlobStore, ByteRange, Bytes, Etag } from '../../src/storage/blob-store.ts';

/** The process is dead: nothing catches this. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';
}

export interface CrashPlan {
  /** Counts calls that write, from 1. */
  readonly atWrite: number;
  /** `half`: of several blobs to be deleted, the first half is. Else as `before`. */
  readonly moment: 'before' | 'half' | 'after';
}

/** Ends the process, so to speak, at one write. What the inner store holds then is the disk. */
export class CrashingBlobStore implements BlobStore {
  readonly url: string;
  writes = 0;
  readonly #inner: BlobStore;
  readonly #plan: CrashPlan | undefined;

  constructor(inner: BlobStore, plan?: CrashPlan) {
    this.url = inner.url;
    this.#inner = inner;
    this.#plan = plan;
  }

  create(path: string, bytes: Bytes): Promise<Etag | 'taken'> {
    return this.#write(() => this.#inner.create(path, bytes));
  }

  replaceIf(path: string, bytes: Bytes, expected: Etag | undefined): Promise<Etag | 'changed'> {
    return this.#write(() => this.#inner.replaceIf(path, bytes, expected));
  }

  read(path: string, range?: ByteRange): ReturnType<BlobStore['read']> {
    this.#alive();
    return this.#inner.read(path, range);
  }

  list(prefix: string): AsyncIterable<BlobEntry> {
    this.#alive();
    return this.#inner.list(prefix);
  }

  delete(paths: readonly string[]): Promise<void> {
    const half = paths.slice(0, Math.ceil(paths.length / 2));
    return this.#write(
      () => this.#inner.delete(paths),
      () => this.#inner.delete(half),
    );
  }

  #alive(): void {
    if (this.writes >= (this.#plan?.atWrite ?? Infinity)) throw new SimulatedCrash('dead already');
  }

  async #write<T>(write: () => Promise<T>, half?: () => Promise<unknown>): Promise<T> {
    this.#alive();
    this.writes += 1;
    if (this.writes !== this.#plan?.atWrite) return write();
    if (this.#plan.moment === 'half') await half?.();
    if (this.#plan.moment === 'after') await write();
    throw new SimulatedCrash(`${this.#plan.moment} write ${this.writes}`);
  }
}

/** `refused`: says for certain that it did not do it. `late`: does it when the next write comes. */
export type StoreFault = 'none' | 'lost-request' | 'lost-answer' | 'refused' | 'late';

/** Does what it is asked, or not, and then does not answer, as the list says; one entry per write. */
export class FlakyBlobStore implements BlobStore {
  readonly url: string;
  readonly #inner: BlobStore;
  readonly #faults: StoreFault[];
  #late: (() => Promise<unknown>) | undefined;

  constructor(inner: BlobStore, faults: readonly StoreFault[]) {
    this.url = inner.url;
    this.#inner = inner;
    this.#faults = [...faults];
  }

  create(path: string, bytes: Bytes): Promise<Etag | 'taken'> {
    return this.#write(() => this.#inner.create(path, bytes));
  }

  replaceIf(path: string, bytes: Bytes, expected: Etag | undefined): Promise<Etag | 'changed'> {
    return this.#write(() => this.#inner.replaceIf(path, bytes, expected));
  }

  read(path: string, range?: ByteRange): ReturnType<BlobStore['read']> {
    return this.#inner.read(path, range);
  }

  list(prefix: string): AsyncIterable<BlobEntry> {
    return this.#inner.list(prefix);
  }

  delete(paths: readonly string[]): Promise<void> {
    return this.#write(() => this.#inner.delete(paths));
  }

  /** The next writes go wrong so, before those that were planned. */
  plan(...faults: readonly StoreFault[]): void {
    this.#faults.unshift(...faults);
  }

  async #write<T>(write: () => Promise<T>): Promise<T> {
    const late = this.#late;
    this.#late = undefined;
    await late?.();
    const fault = this.#faults.shift() ?? 'none';
    if (fault === 'none') return write();
    if (fault === 'refused')
      throw new EngineError(REFUSED_WRITE, 'unavailable', 'the disk is full');
    if (fault === 'lost-answer') await write();
    if (fault === 'late') this.#late = write;
    throw new EngineError('STO-001', 'unavailable', 'the blob store does not answer');
  }
}
