/** Gathers rows of one state into blocks: docs/formats/keyed-run.md, "Blocks". */
import { keyGroupOf } from '../common/key-groups.ts';
import { ByteWriter } from '../serde/bytes.ts';
import { ColumnBuilder } from '../serde/columns.ts';
import type { Serializer } from '../serde/serializer.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import {
  BLOCK_BYTES,
  BLOCK_EXPIRY,
  BLOCK_NAMESPACES,
  BLOCK_ROWS_MAX,
  BLOCK_SUBS,
  BLOCK_TOMBSTONES,
  type BlockEntry,
} from './keyed-run-format.ts';
import type { Namespace } from './keyed-state-backend.ts';
import type { RowCodec } from './row-codec.ts';

export const NO_EXPIRY = Infinity;

/** Window bounds, expiry times and timers. */
export const timeSerializer = serializerOf({ kind: 'float64' }) as Serializer<unknown>;

/** Of the parts of a block beside its columns, and of the head of each column. */
const HEAD_BYTES_MAX = 64;

/** What the index of a file says about a block, but for where it is. */
export type BlockContent = Omit<BlockEntry, 'state' | 'offset' | 'length'>;

export class BlockEncoder {
  readonly #maxParallelism: number;
  readonly #tombstones: boolean;

  #rows = 0;
  /** Of the last row; -1 before the first. */
  #group = -1;
  #rowsOfGroup = 0;
  #firstGroup = 0;
  #groupCount = 0;
  /** For each key group that is complete, its distance from the one before, and its rows. */
  readonly #groups = new ByteWriter();
  #groupBefore = 0;
  #firstHash = 0;
  readonly #hashes = new ByteWriter();
  readonly #keys = new ColumnBuilder('key');
  /** From the first row on that is in a window. */
  #starts: ColumnBuilder | undefined;
  #ends: ColumnBuilder | undefined;
  readonly #subs: ColumnBuilder | undefined;
  /** From the first row on that expires. */
  #expiries: ColumnBuilder | undefined;
  readonly #values: ColumnBuilder;

  constructor({ schema, serializer }: RowCodec, maxParallelism: number, tombstones: boolean) {
    this.#maxParallelism = maxParallelism;
    this.#tombstones = tombstones;
    this.#values = new ColumnBuilder(serializer);
    if (schema.kind === 'map') this.#subs = new ColumnBuilder('key');
    else if (schema.kind === 'timers') this.#subs = new ColumnBuilder(timeSerializer);
  }

  get rows(): number {
    return this.#rows;
  }

  isFull(): boolean {
    return (
      this.#rows >= BLOCK_ROWS_MAX || this.#values.sizeBytes + this.#keys.sizeBytes >= BLOCK_BYTES
    );
  }

  /** Adds a row; one that is no tombstone needs a value next. */
  add(hash: number, key: unknown, namespace: Namespace, sub: unknown, expiresMs: number): void {
    const group = keyGroupOf(hash, this.#maxParallelism);
    if (group !== this.#group) this.#endGroup(group);
    this.#rowsOfGroup++;
    if (this.#rows === 0) this.#firstHash = hash >>> 0;
    this.#hashes.int32(hash);
    this.#keys.append(key);
    if (namespace !== undefined && this.#starts === undefined) {
      this.#starts = filled(this.#rows, NaN);
      this.#ends = filled(this.#rows, NaN);
    }
    this.#starts?.append(namespace === undefined ? NaN : namespace.start);
    this.#ends?.append(namespace === undefined ? NaN : namespace.end);
    this.#subs?.append(sub);
    if (expiresMs !== NO_EXPIRY) this.#expiries ??= filled(this.#rows, NO_EXPIRY);
    this.#expiries?.append(expiresMs);
    this.#rows++;
  }

  /** The value of the row that was just added, which is live. */
  addValue(value: unknown): void {
    this.#values.append(value);
  }

  /** No fewer bytes than `finishInto` will write. */
  get bytesMax(): number {
    let bytes = HEAD_BYTES_MAX + this.#groups.length + this.#hashes.length;
    for (const column of this.#columns()) bytes += HEAD_BYTES_MAX + column.sizeBytes;
    return bytes;
  }

  /** Appends the block to `to`, and begins the next. */
  finishInto(to: ByteWriter): BlockContent {
    to.varint(this.#rows);
    to.uint8(
      (this.#tombstones ? BLOCK_TOMBSTONES : 0) |
        (this.#starts === undefined ? 0 : BLOCK_NAMESPACES) |
        (this.#subs === undefined ? 0 : BLOCK_SUBS) |
        (this.#expiries === undefined ? 0 : BLOCK_EXPIRY),
    );
    const lastGroup = this.#group;
    this.#endGroup(-1);
    to.varint(this.#groupCount);
    to.raw(this.#groups.view());
    to.raw(this.#hashes.view());
    for (const column of this.#columns()) column.finishInto(to);
    const content: BlockContent = {
      tombstones: this.#tombstones,
      firstGroup: this.#firstGroup,
      lastGroup,
      firstHash: this.#firstHash,
      rows: this.#rows,
    };
    this.#rows = 0;
    this.#groups.reset();
    this.#groupBefore = 0;
    this.#groupCount = 0;
    this.#hashes.reset();
    this.#starts = undefined;
    this.#ends = undefined;
    this.#expiries = undefined;
    return content;
  }

  /** Those that the block has, in their order. */
  #columns(): ColumnBuilder[] {
    const columns: (ColumnBuilder | undefined)[] = [
      ...[this.#keys, this.#starts, this.#ends, this.#subs, this.#expiries],
      this.#tombstones ? undefined : this.#values,
    ];
    return columns.filter((column) => column !== undefined);
  }

  /** @param next The key group of the next row; -1: there is none. */
  #endGroup(next: number): void {
    if (this.#group < 0) this.#firstGroup = next;
    else {
      this.#groups.varint(this.#group - this.#groupBefore);
      this.#groups.varint(this.#rowsOfGroup);
      this.#groupBefore = this.#group;
      this.#groupCount++;
    }
    this.#group = next;
    this.#rowsOfGroup = 0;
  }
}

function filled(count: number, value: number): ColumnBuilder {
  const column = new ColumnBuilder(timeSerializer);
  for (let i = 0; i < count; i++) column.append(value);
  return column;
}
