import type { FileSystem } from '../../common/file-system.ts';
import type { ParquetCompression } from '../../formats/parquet/codecs.ts';
import type { ParquetColumns } from '../../formats/parquet/parquet-columns.ts';
import {
  ParquetEncoder,
  type ParquetRow,
  parquetRow,
} from '../../formats/parquet/parquet-encoder.ts';
import type { FinishedPart, Part, PartFormat } from './part-format.ts';
import { PartWriter } from './part-writer.ts';

export interface ParquetPartsOptions {
  readonly columns: ParquetColumns;
  readonly compression: ParquetCompression;
  readonly rowGroupRows: number;
  readonly rowGroupBytes: number;
  readonly bufferBytesMax: number;
}

/**
 * A writer's Parquet files. Together they collect no more than `bufferBytesMax`: beyond it the file
 * that has collected most writes its row group early.
 */
export class ParquetParts<T> implements PartFormat<T, ParquetRow>, Budget {
  readonly extension = 'parquet';
  readonly #options: ParquetPartsOptions;
  readonly #collecting = new Set<ParquetPart>();
  #collectedBytes = 0;

  constructor(options: ParquetPartsOptions) {
    this.#options = options;
  }

  encode(value: T): ParquetRow {
    return parquetRow(this.#options.columns, value);
  }

  begin(fs: FileSystem, path: string): Part<ParquetRow> {
    return new ParquetPart(fs, path, this.#options, this);
  }

  /** Counts what a part has collected more, or less. */
  collected(part: ParquetPart, bytes: number): void {
    this.#collectedBytes += bytes;
    if (part.collectedBytes > 0) this.#collecting.add(part);
    else this.#collecting.delete(part);
  }

  /** Writes the fullest row group if there is too much. @returns a promise if the disk is too far behind. */
  relieve(): void | Promise<void> {
    if (this.#collectedBytes <= this.#options.bufferBytesMax) return;
    let fullest: ParquetPart | undefined;
    for (const part of this.#collecting) {
      if (part.collectedBytes > (fullest?.collectedBytes ?? 0)) fullest = part;
    }
    return fullest?.writeRowGroup();
  }
}

/** What all files of a writer share. */
interface Budget {
  collected(part: ParquetPart, bytes: number): void;
  relieve(): void | Promise<void>;
}

class ParquetPart implements Part<ParquetRow> {
  readonly path: string;
  readonly #file: PartWriter;
  readonly #encoder: ParquetEncoder;
  readonly #options: ParquetPartsOptions;
  readonly #budget: Budget;

  constructor(fs: FileSystem, path: string, options: ParquetPartsOptions, budget: Budget) {
    this.path = path;
    this.#file = new PartWriter({ fs, path, gzip: false, header: undefined });
    this.#encoder = new ParquetEncoder(options.columns, options.compression);
    this.#options = options;
    this.#budget = budget;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes + this.#encoder.bytes;
  }

  get collectedBytes(): number {
    return this.#encoder.bytes;
  }

  write(row: ParquetRow): void | Promise<void> {
    const { rowGroupRows, rowGroupBytes } = this.#options;
    this.#encoder.add(row);
    this.#budget.collected(this, row.bytes);
    const isFull = this.#encoder.rows >= rowGroupRows || this.#encoder.bytes >= rowGroupBytes;
    return isFull ? this.writeRowGroup() : this.#budget.relieve();
  }

  writeRowGroup(): void | Promise<void> {
    return this.#file.write(this.#emptied(() => this.#encoder.flush()));
  }

  async finish(): Promise<FinishedPart> {
    await this.#file.write(this.#emptied(() => this.#encoder.end()));
    return this.#file.finish();
  }

  async abandon(): Promise<void> {
    this.#emptied(() => this.#encoder.drop());
    await this.#file.abandon();
  }

  #emptied<R>(empty: () => R): R {
    const { bytes } = this.#encoder;
    const result = empty();
    this.#budget.collected(this, -bytes);
    return result;
  }
}
