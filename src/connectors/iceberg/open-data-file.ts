/** A data file while it is written: in memory, encoded row group by row group, and stored as a whole. */
import type { ParquetCompression } from '../../formats/parquet/codecs.ts';
import { ParquetEncoder, type ParquetRow } from '../../formats/parquet/parquet-encoder.ts';
import type { ColumnStats } from './column-stats.ts';
import { corruptTable } from './errors.ts';
import type { DataFile } from './manifest.ts';
import type { PartitionTuple } from './partitioner.ts';
import type { RowColumns } from './row-columns.ts';
import type { TableIo } from './table-io.ts';

export interface OpenDataFileOptions {
  readonly location: string;
  readonly partition: PartitionTuple;
  readonly columns: RowColumns;
  readonly compression: ParquetCompression;
}

export class OpenDataFile {
  readonly #options: OpenDataFileOptions;
  readonly #encoder: ParquetEncoder;
  readonly #stats: readonly ColumnStats[];
  #parts: Uint8Array[] = [];
  #encodedBytes = 0;
  #rows = 0;

  constructor(options: OpenDataFileOptions) {
    this.#options = options;
    this.#encoder = new ParquetEncoder(options.columns, options.compression);
    this.#stats = options.columns.stats();
  }

  /** Rows that are not encoded yet, and what they take in memory. */
  get collectedRows(): number {
    return this.#encoder.rows;
  }

  get collectedBytes(): number {
    return this.#encoder.bytes;
  }

  get encodedBytes(): number {
    return this.#encodedBytes;
  }

  add(row: ParquetRow): void {
    this.#encoder.add(row);
    this.#options.columns.count(row.values, this.#stats);
    this.#rows++;
  }

  /** Encodes what is collected as a row group. */
  encode(): void {
    this.#keep(this.#encoder.flush());
  }

  /** Stores the file. @returns what a manifest says of it. */
  async store(io: TableIo): Promise<DataFile> {
    this.#keep(this.#encoder.end());
    const { location, partition } = this.#options;
    const parts = this.#parts;
    this.#parts = [];
    if ((await io.create(location, parts)) === 'taken') {
      throw corruptTable(location, 'somebody else has made it');
    }
    return {
      location,
      partition,
      rows: this.#rows,
      sizeBytes: this.#encodedBytes,
      ...this.#facts(),
    };
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#encodedBytes += bytes.length;
  }

  #facts() {
    const groups = this.#encoder.rowGroups;
    const columnSizes = new Map<number, number>();
    for (const [index, id] of this.#options.columns.leafIds.entries()) {
      columnSizes.set(
        id,
        groups.reduce((sum, { columnBytes }) => sum + (columnBytes[index] ?? 0), 0),
      );
    }
    return {
      columnSizes,
      valueCounts: this.#each(({ values }) => values),
      nullCounts: this.#each(({ nulls }) => nulls),
      nanCounts: this.#each(({ nanCount }) => nanCount),
      lowerBounds: this.#each(({ lower }) => lower),
      upperBounds: this.#each(({ upper }) => upper),
      splitOffsets: groups.map(({ offset }) => offset),
    };
  }

  #each<V>(of: (stats: ColumnStats) => V | undefined): Map<number, V> {
    const found = new Map<number, V>();
    for (const stats of this.#stats) {
      const value = of(stats);
      if (value !== undefined) found.set(stats.fieldId, value);
    }
    return found;
  }
}
