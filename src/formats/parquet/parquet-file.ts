/**
 * A Parquet file that is read: its footer first, then slices of rows, column by column.
 *
 * A slice never reaches over the end of a row group, and is so short that its rows take about
 * `SLICE_BYTES`. Of a column the whole chunk's compressed bytes are in memory for a moment.
 */
import {
  parquetMetadata,
  parquetScan,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
  type RowGroup,
  type SchemaTree,
} from 'hyparquet';
import { EngineError } from '../../common/errors.ts';
import type { TypeSchema } from '../../serde/type-schema.ts';
import { corruptParquet, unsupportedParquet } from '../errors.ts';
import { decompressors, READABLE_CODECS } from './codecs.ts';
import { type Convert, RAW_PARSERS, structConverter } from './parquet-values.ts';

/** As footers say it, before compression; in memory it is several times as much. */
const SLICE_BYTES = 8 * 1024 * 1024;
const SLICE_ROWS_MAX = 65_536;
/** A footer describes columns and row groups; one that is longer is no honest file's. */
const FOOTER_BYTES_MAX = 64 * 1024 * 1024;
const TAIL_BYTES = 8;
const MAGIC = 'PAR1';
const ENCRYPTED_MAGIC = 'PARE';

export interface ParquetFileOptions {
  /** For error messages: a path. */
  readonly source: string;
  /** Reads only these columns. Default: all. */
  readonly columns?: readonly string[] | undefined;
  /** What the rows are to be, before their schema checks them; `undefined` if nobody knows. */
  readonly wanted: TypeSchema | undefined;
}

interface PlacedGroup {
  /** Rows before it. */
  readonly start: number;
  readonly rows: number;
  readonly group: RowGroup;
}

/** Some rows of a file in memory. */
export interface RowSlice {
  readonly length: number;
  /** @throws {UnfitValue} for a row that cannot be had as it is wanted. */
  row(index: number): unknown;
}

/** The footer's bytes with what is around them; `undefined` if the file does not end as a Parquet file. */
export async function readFooter(
  file: AsyncBuffer,
  source: string,
): Promise<Uint8Array | undefined> {
  const { byteLength } = file;
  if (byteLength < MAGIC.length + TAIL_BYTES) return undefined;
  const tail = Buffer.from(await file.slice(byteLength - TAIL_BYTES, byteLength));
  const magic = tail.toString('latin1', 4);
  if (magic === ENCRYPTED_MAGIC) throw unsupportedParquet(source, 'encryption');
  if (magic !== MAGIC) return undefined;
  const length = tail.readUInt32LE(0) + TAIL_BYTES;
  if (length > Math.min(byteLength, FOOTER_BYTES_MAX)) {
    throw corruptParquet({ source, row: 0 }, `a footer of ${length} bytes`);
  }
  return new Uint8Array(await file.slice(byteLength - length, byteLength));
}

export class ParquetFile {
  readonly rows: number;
  readonly #file: AsyncBuffer;
  readonly #source: string;
  readonly #metadata: FileMetaData;
  readonly #groups: readonly PlacedGroup[];
  readonly #names: readonly string[];
  readonly #convert: Convert;

  /**
   * @throws {EngineError} `FMT-006` (`corrupt`) for a damaged footer, `FMT-007` (`invalid`) for what
   * cannot be read, such as a compression.
   */
  constructor(file: AsyncBuffer, footer: Uint8Array, options: ParquetFileOptions) {
    this.#file = file;
    this.#source = options.source;
    this.#metadata = this.#guard(0, () => parquetMetadata(footer, { parsers: RAW_PARSERS }));
    const root = this.#guard(0, () => parquetSchema(this.#metadata));
    const children = this.#columns(root, options.columns);
    this.#names = children.map(({ element }) => element.name);
    const wanted = options.wanted?.kind === 'object' ? options.wanted.fields : undefined;
    this.#convert = structConverter(children, wanted);
    this.#groups = this.#guard(0, () => groupsOf(this.#metadata));
    const last = this.#groups.at(-1);
    this.rows = last === undefined ? 0 : last.start + last.rows;
    this.#checkCodecs();
  }

  /**
   * The rows from `from` on, as many as fit into a slice; none at the end of the file.
   *
   * @param turn Called between two columns, to let others work.
   */
  async slice(from: number, turn: () => Promise<void>): Promise<RowSlice> {
    const to = this.#sliceEnd(from);
    const columns: ArrayLike<unknown>[] = [];
    if (to > from) {
      const scan = await this.#guardAsync(from, () => this.#scan(from, to));
      for (const column of this.#names) {
        await turn();
        const range = { column, rowStart: from, rowEnd: to };
        columns.push(await this.#guardAsync(from, () => scan.readColumn(range)));
      }
    }
    const odd = columns.findIndex((column) => column.length !== to - from);
    if (odd >= 0) throw this.#corrupt(from, `column ${this.#names[odd] ?? ''} lacks values`);
    return {
      length: to - from,
      row: (index) => {
        const pairs = this.#names.map((name, column) => [name, columns[column]?.[index]] as const);
        return this.#convert(Object.fromEntries(pairs));
      },
    };
  }

  #scan(rowStart: number, rowEnd: number) {
    return parquetScan({
      file: this.#file,
      metadata: this.#metadata,
      columns: [...this.#names],
      rowStart,
      rowEnd,
      compressors: decompressors,
      parsers: RAW_PARSERS,
      utf8: false,
    });
  }

  #sliceEnd(from: number): number {
    const place = this.#groups.findLast(({ start, rows }) => start <= from && rows > 0);
    if (place === undefined) return from;
    const rowBytes = Math.max(1, Number(place.group.total_byte_size) / place.rows);
    const most = Math.min(SLICE_ROWS_MAX, Math.max(1, Math.floor(SLICE_BYTES / rowBytes)));
    return Math.max(from, Math.min(from + most, place.start + place.rows));
  }

  #columns(root: SchemaTree, asked: readonly string[] | undefined): SchemaTree[] {
    if (asked === undefined) return root.children;
    return asked.map((name) => {
      const child = root.children.find(({ element }) => element.name === name);
      if (child === undefined) throw unsupportedParquet(this.#source, `no column "${name}"`);
      return child;
    });
  }

  #checkCodecs(): void {
    for (const { group } of this.#groups) {
      for (const { meta_data } of group.columns) {
        const { codec = 'none', path_in_schema: path = [] } = meta_data ?? {};
        const isRead = this.#names.includes(path[0] ?? '');
        if (isRead && !READABLE_CODECS.has(codec)) {
          throw unsupportedParquet(this.#source, `compression ${codec}`);
        }
      }
    }
  }

  #guard<R>(row: number, read: () => R): R {
    try {
      return read();
    } catch (cause) {
      throw this.#explained(row, cause);
    }
  }

  async #guardAsync<R>(row: number, read: () => Promise<R>): Promise<R> {
    try {
      return await read();
    } catch (cause) {
      throw this.#explained(row, cause);
    }
  }

  /** The library's errors are about the file, save those of the disk, which say so themselves. */
  #explained(row: number, cause: unknown): Error {
    if (cause instanceof EngineError) return cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    if (/unsupported|not supported/.test(text)) return unsupportedParquet(this.#source, text);
    return corruptParquet({ source: this.#source, row }, text, cause);
  }

  #corrupt(row: number, why: string): Error {
    return corruptParquet({ source: this.#source, row }, why);
  }
}

/** Throws if the footer's numbers make no sense. */
function groupsOf({ row_groups, num_rows }: FileMetaData): PlacedGroup[] {
  let start = 0n;
  const groups = row_groups.map((group): PlacedGroup => {
    const place = { start: Number(start), rows: Number(group.num_rows), group };
    start += group.num_rows;
    return place;
  });
  if (start === num_rows) return groups;
  throw new RangeError(`${num_rows} rows in the footer, ${start} in its row groups`);
}
