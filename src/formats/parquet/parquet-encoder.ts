/**
 * A Parquet file as it is written: rows are collected by column; a row group is encoded and given out
 * when the caller says so, the footer at the end. A file without its footer cannot be read at all.
 */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { CODECS, compressors, type ParquetCompression } from './codecs.ts';
import type { ParquetColumns } from './parquet-columns.ts';

/** A row that fits the columns. */
export interface ParquetRow {
  /** In the order of the columns. */
  readonly values: readonly unknown[];
  /** What it takes in memory, roughly. */
  readonly bytes: number;
}

/** @throws {EngineError} `FMT-009` (`invalid`) for a row that does not fit the columns. */
export function parquetRow(columns: ParquetColumns, value: unknown): ParquetRow {
  const size = { bytes: 0 };
  return { values: columns.take(value, size), bytes: size.bytes };
}

/** Where a row group is in its file. */
export interface RowGroupPlace {
  readonly offset: number;
  /** Compressed, of its column chunks in the order of the schema's leaves. */
  readonly columnBytes: readonly number[];
}

export class ParquetEncoder {
  readonly #names: readonly string[];
  readonly #out = new ByteWriter();
  readonly #file: ParquetWriter;
  #columns: unknown[][];
  #rows = 0;
  #bytes = 0;

  constructor({ schema, names }: ParquetColumns, compression: ParquetCompression) {
    this.#names = names;
    this.#columns = names.map(() => []);
    this.#file = new ParquetWriter({
      writer: this.#out,
      schema,
      codec: CODECS[compression],
      compressors,
      createdBy: 'tidemark',
    });
  }

  /** Rows that are collected. */
  get rows(): number {
    return this.#rows;
  }

  /** What they take in memory, roughly. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Of the row groups that were given out. */
  get rowGroups(): readonly RowGroupPlace[] {
    return this.#file.row_groups.map(({ columns }) => ({
      offset: Number(columns[0]?.file_offset ?? 0),
      columnBytes: columns.map(({ meta_data }) => Number(meta_data?.total_compressed_size ?? 0)),
    }));
  }

  add({ values, bytes }: ParquetRow): void {
    for (const [index, column] of this.#columns.entries()) column.push(values[index]);
    this.#rows++;
    this.#bytes += bytes;
  }

  /** The collected rows as a row group: the file's next bytes. Takes long for many rows. */
  flush(): Uint8Array {
    if (this.#rows > 0) {
      const columnData = this.#names.map((name, index) => ({
        name,
        data: this.#columns[index] ?? [],
      }));
      void this.#file.write({ columnData, rowGroupSize: this.#rows });
      this.drop();
    }
    return this.#taken();
  }

  /** What is still collected, and the footer: the file's last bytes. */
  end(): Uint8Array {
    const rest = this.flush();
    void this.#file.finish();
    return Buffer.concat([rest, this.#taken()]);
  }

  /** Forgets the collected rows. */
  drop(): void {
    this.#columns = this.#names.map(() => []);
    this.#rows = 0;
    this.#bytes = 0;
  }

  #taken(): Uint8Array {
    const bytes = this.#out.getBytes();
    // A buffer of its own for what comes next: many open files would each keep one of a row group's size.
    this.#out.buffer = new ArrayBuffer(0);
    this.#out.view = new DataView(this.#out.buffer);
    this.#out.index = 0;
    return bytes;
  }
}
