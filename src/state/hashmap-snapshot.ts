/**
 * A snapshot of a hashmap backend between its barrier and its last byte. The tables' rows are
 * encoded in slices and stored as run files of bounded size; what changes meanwhile has its old
 * image taken first (`table-snapshot.ts`).
 */
import type { KeyGroupRange } from '../common/key-groups.ts';
import type { BlobHandle, KeyedRunHandle } from '../contracts/snapshots.ts';
import { BlockEncoder } from './block-encoder.ts';
import { snapshotGivenUp, valueNotStored } from './errors.ts';
import { FileBuffers } from './file-buffers.ts';
import type { RunHeader } from './keyed-run-format.ts';
import { KeyedRunWriter } from './keyed-run-writer.ts';
import type { RunningSnapshot, SnapshotResult, SnapshotTarget } from './keyed-state-backend.ts';
import { rangesOf } from './run-chain.ts';
import type { TableSnapshot } from './table-snapshot.ts';

/** Files that may be on their way to the store before encoding waits for it: bounds memory. */
const STORING_MAX = 2;

export interface HashmapSnapshotOptions {
  /** For all files; `keyGroups` and `full` are narrowed for each. */
  readonly header: RunHeader;
  readonly scope: 'shared' | 'exclusive';
  readonly target: SnapshotTarget;
  readonly tables: readonly TableSnapshot[];
  /** By position in the range: 1 where the key group is written in full. */
  readonly full: Uint8Array;
  /** Estimated bytes that each key group will have in this snapshot. */
  readonly groupBytes: Float64Array;
  /** A file ends with the block that makes it this long. */
  readonly fileBytes: number;
  /** Write a file even if it has no rows, because it supersedes older ones. */
  readonly writeEmpty: boolean;
  readonly monotonicMs: () => number;
  /** Goes on with a restore that is still loading; true when all of it is loaded and verified. */
  readonly load: (budgetMs: number) => boolean;
  /** What the caller makes of the new files; called once, after all are stored. */
  readonly stored: (added: readonly KeyedRunHandle[]) => readonly KeyedRunHandle[];
  /** Bytes and rows of a state's blocks, to learn how large its rows are. */
  readonly measured: (state: number, bytes: number, rows: number) => void;
}

export class HashmapSnapshot implements RunningSnapshot {
  readonly handles: Promise<SnapshotResult>;
  readonly #options: HashmapSnapshotOptions;
  readonly #steps: Generator<void>;
  readonly #runs: Promise<KeyedRunHandle>[] = [];
  readonly #buffers = new FileBuffers();
  #storing = 0;
  #state: 'encoding' | 'encoded' | 'cancelled' = 'encoding';
  #finish: (() => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  constructor(options: HashmapSnapshotOptions) {
    this.#options = options;
    this.#steps = this.#encodeAll();
    const encoded = new Promise<void>((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    this.handles = encoded.then(() => this.#result());
    // Whoever gives up the snapshot need not wait for it as well.
    this.handles.catch(() => undefined);
  }

  get isEncoding(): boolean {
    return this.#state === 'encoding';
  }

  get isWaiting(): boolean {
    return this.isEncoding && this.#storing >= STORING_MAX;
  }

  drain(budgetMs: number): boolean {
    const { monotonicMs } = this.#options;
    const until = monotonicMs() + budgetMs;
    // What is not verified gets into no snapshot.
    if (this.isEncoding && !this.#isLoaded(budgetMs)) return false;
    while (this.#state === 'encoding') {
      if (this.#storing >= STORING_MAX) return false;
      if (this.#step() || monotonicMs() >= until) break;
    }
    return !this.isEncoding;
  }

  /**
   * Encodes all the rest now, however long it takes. Gives up if a restore waits for bytes, which
   * cannot be had at once.
   */
  drainAll(): void {
    if (this.isEncoding && !this.#isLoaded(Infinity)) this.cancel();
    while (this.#state === 'encoding') this.#step();
  }

  cancel(): void {
    if (this.#state === 'cancelled') return;
    this.#state = 'cancelled';
    this.#release();
    const { uid, checkpointId } = this.#options.header;
    this.#fail?.(snapshotGivenUp(uid, checkpointId));
  }

  /** A row's image cannot be taken: the snapshot fails, the record that touches the row does not. */
  fail(error: unknown): void {
    if (this.#state !== 'encoding') return;
    this.#state = 'encoded';
    this.#release();
    this.#fail?.(error);
  }

  #step(): boolean {
    try {
      if (this.#steps.next().done !== true) return false;
      this.#state = 'encoded';
      this.#release();
      this.#finish?.();
    } catch (error) {
      this.fail(error);
    }
    return true;
  }

  #isLoaded(budgetMs: number): boolean {
    try {
      return this.#options.load(budgetMs);
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  #release(): void {
    this.#buffers.close();
    for (const table of this.#options.tables) table.release();
  }

  async #result(): Promise<SnapshotResult> {
    const added = await Promise.all(this.#runs);
    const { uid, checkpointId } = this.#options.header;
    if (this.#state === 'cancelled') throw snapshotGivenUp(uid, checkpointId);
    const writtenBytes = added.reduce((sum, { blob }) => sum + blob.sizeBytes, 0);
    return { runs: this.#options.stored(added), writtenBytes };
  }

  *#encodeAll(): Generator<void> {
    const { tables } = this.#options;
    for (const table of tables) {
      yield* table.collect();
      yield;
    }
    for (const range of chunksOf(this.#options)) yield* this.#encodeChunk(range);
  }

  /** One file, or more if the estimate was too low, for the key groups of `range`. */
  *#encodeChunk(range: KeyGroupRange): Generator<void> {
    const { header, tables, full, writeEmpty } = this.#options;
    const first = header.keyGroups.start;
    const narrowed = { ...header, keyGroups: range, full: rangesOf(full, range, first) };
    let file = new KeyedRunWriter(narrowed, this.#buffers);
    for (const [state, table] of tables.entries()) {
      const live = new BlockEncoder(table.codec, header.maxParallelism, false);
      const tombstones = new BlockEncoder(table.codec, header.maxParallelism, true);
      const flush = (encoder: BlockEncoder) => {
        const before = file.sizeBytes;
        const { rows } = encoder;
        if (rows === 0) return;
        file.addBlock(state, encoder);
        if (encoder === live) this.#options.measured(state, file.sizeBytes - before, rows);
        if (file.sizeBytes < this.#options.fileBytes) return;
        this.#store(file);
        file = new KeyedRunWriter(narrowed, this.#buffers);
      };
      for (let group = range.start; group <= range.end; group++) {
        if (table.rowsOf(group - first) === 0) continue;
        for (const _ of this.#named(table, group - first, live, tombstones)) {
          if (live.isFull()) flush(live);
          if (tombstones.isFull()) flush(tombstones);
          yield;
        }
      }
      flush(tombstones);
      flush(live);
    }
    if (file.rows > 0 || (writeEmpty && narrowed.full.length > 0)) this.#store(file);
    else file.release();
  }

  /** Names the state in what its serializer throws. */
  *#named(
    table: TableSnapshot,
    group: number,
    live: BlockEncoder,
    tombstones: BlockEncoder,
  ): Generator<void> {
    try {
      yield* table.encode(group, live, tombstones);
    } catch (error) {
      throw valueNotStored(this.#options.header.uid, table.codec.schema.name, error);
    }
  }

  #store(file: KeyedRunWriter): void {
    const { scope, target } = this.#options;
    const { keyGroups, checkpointId, full } = file.header;
    const name = `keyed-${checkpointId}-${keyGroups.start}-${keyGroups.end}-${this.#runs.length}`;
    this.#storing++;
    const { parts, crc32 } = file.finish();
    const run = target
      .store(scope, name, parts, crc32)
      .then((blob: BlobHandle): KeyedRunHandle => {
        // Not after a failure: who knows what is still on its way.
        file.release();
        return { blob, keyGroups, checkpointId, rows: file.rows, full };
      })
      .finally(() => {
        this.#storing--;
      });
    run.catch(() => undefined);
    this.#runs.push(run);
  }
}

/** Neighbouring key groups that should fit into one file. */
function* chunksOf(options: HashmapSnapshotOptions): Generator<KeyGroupRange> {
  const { groupBytes, fileBytes } = options;
  const range = options.header.keyGroups;
  let start = range.start;
  let bytes = 0;
  for (let group = range.start; group <= range.end; group++) {
    const more = groupBytes[group - range.start] ?? 0;
    if (group > start && bytes + more > fileBytes) {
      yield { start, end: group - 1 };
      start = group;
      bytes = 0;
    }
    bytes += more;
  }
  yield { start, end: range.end };
}
