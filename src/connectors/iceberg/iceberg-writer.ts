import { assert } from '../../common/assert.ts';
import type { SinkWriter, WriterContext } from '../../contracts/sink.ts';
import type { ParquetCompression } from '../../formats/parquet/codecs.ts';
import { parquetRow } from '../../formats/parquet/parquet-encoder.ts';
import { tableText } from './catalog.ts';
import type { PendingManifest } from './committable.ts';
import { corruptTable } from './errors.ts';
import type { TableSchema } from './iceberg-type.ts';
import { type DataFile, newManifest } from './manifest.ts';
import { OpenDataFile } from './open-data-file.ts';
import type { PartitionSpec } from './partition-fields.ts';
import { summarize } from './partition-summary.ts';
import { Partitioner } from './partitioner.ts';
import { prepareTable, type WantedTable } from './prepare-table.ts';
import { RowColumns } from './row-columns.ts';
import type { CommitTarget } from './table-commit.ts';
import type { TableIo } from './table-io.ts';
import { dataFileLocation, manifestLocation } from './table-layout.ts';
import { currentSchema, specOf } from './table-metadata.ts';

export interface FileLimits {
  readonly targetFileSizeBytes: number;
  readonly openFilesMax: number;
  readonly rowGroupRows: number;
  readonly rowGroupBytes: number;
  readonly bufferBytesMax: number;
  readonly compression: ParquetCompression;
}

export interface IcebergWriterOptions<T> {
  readonly target: CommitTarget;
  readonly wanted: WantedTable;
  readonly toRow: (value: T) => unknown;
  readonly limits: FileLimits;
}

/** The table as it was when the writer began; what others change later does not concern it. */
interface Table {
  readonly io: TableIo;
  readonly location: string;
  readonly uuid: string;
  readonly schema: TableSchema;
  readonly spec: PartitionSpec;
  readonly columns: RowColumns;
  readonly partitioner: Partitioner;
}

/**
 * Writes one subtask's data files, one per partition at a time. Files appear whole: when they are full,
 * when there are too many or they take too much memory, and at each checkpoint, together with one
 * manifest that lists all of them. Nobody sees them before the committer has made a snapshot of it.
 */
export class IcebergWriter<T> implements SinkWriter<T, PendingManifest> {
  readonly #context: WriterContext;
  readonly #options: IcebergWriterOptions<T>;
  /** In the order of their first row. */
  readonly #open = new Map<string, OpenDataFile>();
  #table: Table | undefined;
  #storing: Promise<DataFile>[] = [];
  #sequence = 0;
  #collectedBytes = 0;
  #encodedBytes = 0;

  constructor(context: WriterContext, options: IcebergWriterOptions<T>) {
    this.#context = context;
    this.#options = options;
  }

  async open(): Promise<void> {
    const { target, wanted } = this.#options;
    const { table, written } = await prepareTable(target, wanted);
    const { metadata, io } = table;
    const name = tableText(target.table);
    const schema = currentSchema(metadata);
    const spec = specOf(metadata, metadata['default-spec-id']);
    const columns = new RowColumns(written, name);
    this.#table = {
      io,
      location: metadata.location.replace(/\/+$/, ''),
      uuid: metadata['table-uuid'],
      schema,
      spec,
      columns,
      partitioner: new Partitioner(spec, schema, columns.names, name),
    };
  }

  write(value: T): void | Promise<void> {
    const { columns, partitioner } = this.#opened();
    const { limits, toRow } = this.#options;
    const row = parquetRow(columns, toRow(value));
    const tuple = partitioner.of(row.values);
    const key = partitioner.key(tuple);
    const file = this.#open.get(key) ?? this.#begin(key, tuple);
    file.add(row);
    this.#collectedBytes += row.bytes;
    const isFullGroup =
      file.collectedRows >= limits.rowGroupRows || file.collectedBytes >= limits.rowGroupBytes;
    if (isFullGroup) this.#encode(file);
    else if (this.#collectedBytes > limits.bufferBytesMax) this.#encodeFullest();
    if (file.encodedBytes >= limits.targetFileSizeBytes) return this.#store(key, file);
    if (this.#open.size > limits.openFilesMax) return this.#storeOldest();
    if (this.#encodedBytes > limits.bufferBytesMax + limits.targetFileSizeBytes) {
      return this.#storeLargest();
    }
  }

  async prepareCommit(checkpointId: number): Promise<PendingManifest[]> {
    // What fails is thrown below, for all of them.
    for (const [key, file] of [...this.#open]) this.#store(key, file).catch(() => undefined);
    const storing = this.#storing;
    this.#storing = [];
    const files = await Promise.all(storing);
    return files.length === 0 ? [] : [await this.#manifest(checkpointId, files)];
  }

  async close(): Promise<void> {
    this.#open.clear();
    await Promise.allSettled(this.#storing);
  }

  #begin(key: string, partition: ReturnType<Partitioner['of']>): OpenDataFile {
    const { location, partitioner, columns } = this.#opened();
    const file = new OpenDataFile({
      location: dataFileLocation(
        location,
        partitioner.path(partition),
        this.#context,
        this.#sequence++,
      ),
      partition,
      columns,
      compression: this.#options.limits.compression,
    });
    this.#open.set(key, file);
    return file;
  }

  #encode(file: OpenDataFile): void {
    this.#collectedBytes -= file.collectedBytes;
    this.#encodedBytes -= file.encodedBytes;
    file.encode();
    this.#encodedBytes += file.encodedBytes;
  }

  #encodeFullest(): void {
    const fullest = this.#most(({ collectedBytes }) => collectedBytes);
    if (fullest !== undefined) this.#encode(fullest[1]);
  }

  #storeOldest(): void | Promise<void> {
    const [oldest] = this.#open;
    if (oldest !== undefined) return this.#store(...oldest);
  }

  #storeLargest(): void | Promise<void> {
    const largest = this.#most(({ encodedBytes }) => encodedBytes);
    if (largest !== undefined) return this.#store(...largest);
  }

  #most(of: (file: OpenDataFile) => number): [string, OpenDataFile] | undefined {
    let most: [string, OpenDataFile] | undefined;
    for (const entry of this.#open) {
      if (most === undefined || of(entry[1]) > of(most[1])) most = entry;
    }
    return most;
  }

  /** One file is stored at a time, and the subtask waits for it: memory is bounded so. */
  #store(key: string, file: OpenDataFile): Promise<void> {
    this.#open.delete(key);
    this.#collectedBytes -= file.collectedBytes;
    this.#encodedBytes -= file.encodedBytes;
    const stored = file.store(this.#opened().io);
    this.#storing.push(stored);
    // Also for `prepareCommit`, which waits for all.
    return stored.then(() => undefined);
  }

  async #manifest(checkpointId: number, files: readonly DataFile[]): Promise<PendingManifest> {
    const { io, location, uuid, schema, spec, partitioner } = this.#opened();
    const { world } = this.#context;
    const { columns } = partitioner;
    const bytes = newManifest({ schema, spec, columns }, files, world.random);
    const manifest = manifestLocation(location, this.#context, checkpointId);
    if ((await io.create(manifest, bytes)) === 'taken') {
      throw corruptTable(manifest, 'somebody else has made it');
    }
    const tuples = files.map(({ partition }) => partition);
    return {
      tableUuid: uuid,
      location: manifest,
      sizeBytes: bytes.length,
      specId: spec['spec-id'],
      schemaId: schema['schema-id'],
      dataFiles: files.length,
      rows: files.reduce((sum, { rows }) => sum + rows, 0),
      dataBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      partitionCount: new Set(tuples.map((tuple) => partitioner.key(tuple))).size,
      partitions: summarize(columns, tuples).map(({ containsNull, containsNan, lower, upper }) => ({
        containsNull,
        containsNan: containsNan === true,
        lower: lower ?? null,
        upper: upper ?? null,
      })),
    };
  }

  #opened(): Table {
    assert(this.#table !== undefined, 'the writer is not open');
    return this.#table;
  }
}
