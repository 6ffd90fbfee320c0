/**
 * The rows of one block of a run file, to be read one by one or all: docs/formats/keyed-run.md,
 * "Blocks". Whoever makes one has compared the checksum before.
 */
import { keyGroupOf } from '../common/key-groups.ts';
import { ByteReader } from '../serde/bytes.ts';
import { ColumnReader, readColumn, type ColumnCodec } from '../serde/columns.ts';
import type { TypeSchema } from '../serde/type-schema.ts';
import { timeSerializer } from './block-encoder.ts';
import {
  BLOCK_EXPIRY,
  BLOCK_NAMESPACES,
  BLOCK_SUBS,
  BLOCK_TOMBSTONES,
} from './keyed-run-format.ts';
import type { Namespace } from './keyed-state-backend.ts';
import type { StoredRows } from './row-codec.ts';

/** The rows of a block, as columns. */
export interface DecodedBlock {
  readonly tombstones: boolean;
  readonly rows: number;
  readonly hashes: Int32Array;
  readonly keys: readonly unknown[];
  readonly namespaces: readonly Namespace[] | undefined;
  readonly subs: readonly unknown[] | undefined;
  readonly expiries: readonly number[] | undefined;
  /** Empty for tombstones. */
  readonly values: readonly unknown[];
}

interface GroupRows {
  readonly group: number;
  /** The first of its rows, and the one behind the last. */
  readonly start: number;
  readonly end: number;
}

export class BlockRows {
  readonly rows: number;
  readonly tombstones: boolean;
  /** Whether rows have times at which they expire. */
  readonly expires: boolean;
  readonly hashes: Int32Array;
  readonly #stored: StoredRows;
  readonly #groups: readonly GroupRows[];
  readonly #keys: ColumnReader;
  readonly #starts: ColumnReader | undefined;
  readonly #ends: ColumnReader | undefined;
  readonly #subs: ColumnReader | undefined;
  readonly #expiries: ColumnReader | undefined;
  readonly #values: ColumnReader | undefined;
  /** Rows of one window share the object. */
  readonly #windows = new Map<number, { readonly start: number; readonly end: number }>();

  constructor(payload: Uint8Array, stored: StoredRows, maxParallelism: number) {
    const from = new ByteReader(payload);
    const rows = from.varint();
    const flags = from.uint8();
    const has = (flag: number) => (flags & flag) !== 0;
    this.#groups = readGroups(from);
    const hashes = new Int32Array(rows);
    for (let i = 0; i < rows; i++) hashes[i] = from.int32();
    checkGroups(this.#groups, hashes, maxParallelism);
    this.rows = rows;
    this.hashes = hashes;
    this.tombstones = has(BLOCK_TOMBSTONES);
    this.expires = has(BLOCK_EXPIRY);
    this.#stored = stored;
    const time = () => columnOf(from, rows, timeSerializer);
    this.#keys = columnOf(from, rows, 'key');
    this.#starts = has(BLOCK_NAMESPACES) ? time() : undefined;
    this.#ends = has(BLOCK_NAMESPACES) ? time() : undefined;
    const subCodec = stored.kind === 'timers' ? timeSerializer : 'key';
    this.#subs = has(BLOCK_SUBS) ? columnOf(from, rows, subCodec) : undefined;
    this.#expiries = this.expires ? time() : undefined;
    this.#values = this.tombstones
      ? undefined
      : columnOf(from, rows, stored.serializer, stored.written);
    if (from.remaining > 0) throw doesNotFit();
  }

  key(row: number): unknown {
    return this.#keys.at(row);
  }

  namespace(row: number): Namespace {
    const start = this.#starts?.at(row) as number | undefined;
    if (start === undefined || Number.isNaN(start)) return undefined;
    const end = this.#ends?.at(row) as number;
    const before = this.#windows.get(start);
    if (before?.end === end) return before;
    const namespace = { start, end };
    this.#windows.set(start, namespace);
    return namespace;
  }

  /** A map's key or a timer's time. */
  sub(row: number): unknown {
    if (this.#subs === undefined) return undefined;
    const sub = this.#subs.at(row);
    const { kind, convertMapKey } = this.#stored;
    return kind === 'timers' || convertMapKey === undefined ? sub : convertMapKey(sub);
  }

  expiry(row: number): number {
    return this.#expiries === undefined ? Infinity : (this.#expiries.at(row) as number);
  }

  /** Not for tombstones. */
  value(row: number): unknown {
    return this.#values?.at(row);
  }

  /**
   * The rows of a key group whose unsigned hashes are from `low` to below `high`: the first, and the
   * one behind the last.
   */
  between(group: number, low: number, high: number): readonly [number, number] {
    const of = this.#groups.find((one) => one.group === group);
    if (of === undefined) return [0, 0];
    return [this.#firstFrom(of, low), this.#firstFrom(of, high)];
  }

  all(): DecodedBlock {
    const { rows, tombstones, hashes } = this;
    const column = <T>(at: (row: number) => T): T[] =>
      Array.from({ length: rows }, (_, i) => at(i));
    return {
      rows,
      tombstones,
      hashes,
      keys: column((i) => this.key(i)),
      namespaces: this.#starts === undefined ? undefined : column((i) => this.namespace(i)),
      subs: this.#subs === undefined ? undefined : column((i) => this.sub(i)),
      expiries: this.expires ? column((i) => this.expiry(i)) : undefined,
      values: tombstones ? [] : column((i) => this.value(i)),
    };
  }

  /** Rows of a key group are in the order of their unsigned hashes. */
  #firstFrom({ start, end }: GroupRows, hash: number): number {
    let low = start;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.hashes[middle] ?? 0) >>> 0 < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function readGroups(from: ByteReader): GroupRows[] {
  let group = 0;
  let end = 0;
  return Array.from({ length: from.count(2) }, () => {
    group += from.varint();
    const start = end;
    end += from.varint();
    return { group, start, end };
  });
}

/** A row in the wrong key group would be lost or doubled by a rescale. */
function checkGroups(
  groups: readonly GroupRows[],
  hashes: Int32Array,
  maxParallelism: number,
): void {
  for (const { group, start, end } of groups) {
    for (let at = start; at < end; at++) {
      if (keyGroupOf(hashes[at] ?? 0, maxParallelism) !== group) throw doesNotFit();
    }
  }
  if ((groups.at(-1)?.end ?? 0) !== hashes.length) throw doesNotFit();
}

function columnOf(
  from: ByteReader,
  rows: number,
  codec: ColumnCodec,
  written?: TypeSchema,
): ColumnReader {
  const column = readColumn(from);
  if (column.count !== rows) throw doesNotFit();
  return new ColumnReader(column, codec, written);
}

function doesNotFit(): BlockMisfit {
  return new BlockMisfit('the parts of a block do not fit together');
}

/** Becomes the cause of `STA-001`, which names file and block. */
class BlockMisfit extends Error {
  override readonly name = 'BlockMisfit';
}
