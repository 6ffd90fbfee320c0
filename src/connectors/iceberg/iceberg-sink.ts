import type { Sink } from '../../contracts/sink.ts';
import type { World } from '../../contracts/source.ts';
import { CODECS, type ParquetCompression } from '../../formats/parquet/codecs.ts';
import { typeSchemaFrom } from '../../serde/schema-structure.ts';
import type { InferOutput, StandardSchema } from '../../serde/standard-schema.ts';
import type { IcebergCatalog } from './catalog.ts';
import { columnsOf, type Columns, type IcebergSchema, type RowOf } from './columns.ts';
import { pendingManifests, type PendingManifest } from './committable.ts';
import { badIcebergOption } from './errors.ts';
import { expireSnapshots } from './expire-snapshots.ts';
import { IcebergCommitter } from './iceberg-committer.ts';
import { type FileLimits, IcebergWriter } from './iceberg-writer.ts';
import type { PartitionBy } from './partition-fields.ts';
import { newTable, type WantedTable } from './prepare-table.ts';
import { rollBackSink } from './roll-back-sink.ts';
import type { CommitTarget } from './table-commit.ts';
import { tableName } from './table-name.ts';

/** What the columns are: of the values' own schema, or said in Iceberg's types. */
export type IcebergColumns = StandardSchema | IcebergSchema;

/** What a row is for these columns. */
export type IcebergRow<S extends IcebergColumns> =
  S extends IcebergSchema<infer C> ? RowOf<C> : S extends StandardSchema ? InferOutput<S> : never;

export interface IcebergSinkOptions<T, S extends IcebergColumns> {
  readonly catalog: IcebergCatalog;
  /** `namespace.table`. It is made if it is not there. */
  readonly table: string;
  /**
   * The table's columns: `icebergSchema({…})`, or a zod schema, of which `z.number()` becomes double,
   * `z.int32()` int, `z.bigint()` long, `z.date()` timestamptz, arrays list, objects struct,
   * `z.record()` map; what may be `null` or missing is optional.
   */
  readonly schema: S;
  /** Columns that a zod schema does not tell: `{ at: t.timestamptz() }` for a number of milliseconds. */
  readonly columns?: Columns;
  /** The row of an element. Default: the element. */
  readonly toRow?: (value: T) => IcebergRow<S>;
  /** How a new table is partitioned, such as `[day('at')]`. A table that is there keeps its own. */
  readonly partitionBy?: readonly PartitionBy[];
  /** Of a new table, such as `{ 'history.expire.max-snapshot-age-ms': '86400000' }`. */
  readonly properties?: Readonly<Record<string, string>>;
  /**
   * Whether a start may change the table's columns to these: add optional ones, let required ones be
   * null, widen int to long, float to double, and decimals. Default: false, which refuses to start.
   */
  readonly evolve?: boolean;
  /**
   * A data file is finished when it has so many bytes, and at each checkpoint. Each partition has one of
   * its own in memory until then. Default: 128 MiB.
   */
  readonly targetFileSizeBytes?: number;
  /** Partitions that a subtask has open at a time; one more finishes the oldest's file. Default: 64. */
  readonly openFilesMax?: number;
  /** Default: `zstd`. */
  readonly compression?: ParquetCompression;
  /** A row group is encoded when it has so many rows. Default: 50,000. */
  readonly rowGroupRows?: number;
  /** Or when its rows take so many bytes in memory, roughly. Default: 8 MiB. */
  readonly rowGroupBytes?: number;
  /** What rows that are not encoded yet may take in a subtask, and encoded ones again. Default: 64 MiB. */
  readonly bufferBytesMax?: number;
  /** How often a commit is tried on a table that others change. Default: 20. */
  readonly commitAttemptsMax?: number;
  /**
   * Whether a start looks for files that dead attempts have left, which lists all files of the table.
   * Default: true. With false they stay until something removes orphan files.
   */
  readonly removeLeftovers?: boolean;
  /**
   * Whether snapshots are expired after commits, as the table's properties `history.expire.*` say, and
   * never the newest of a job. Default: false: something else does it, or metadata grows for ever.
   */
  readonly expireSnapshots?: boolean;
}

const MIB = 1024 * 1024;

/**
 * Appends rows to an Iceberg table, exactly once: each checkpoint becomes one snapshot, when it is
 * complete. Readers see all of a checkpoint or nothing of it.
 *
 * ```ts
 * const vitals = icebergSchema({ patient: t.string(), at: t.timestamptz(), pulse: t.int().optional() });
 * readings.sinkTo(
 *   'vitals',
 *   icebergSink({
 *     catalog: hadoop({ warehouse: 'lake' }),
 *     table: 'health.vitals',
 *     schema: vitals,
 *     partitionBy: [day('at')],
 *   }),
 * );
 * ```
 *
 * @throws {EngineError} `ICE-001`, `ICE-005` or `SER-006` for an option; when it starts `ICE-003`,
 * `ICE-004` (the table does not fit), `ICE-008`, `ICE-009` (the catalog); when it runs `ICE-006` for a
 * value, and `STO-001` or `ICE-008` for what does not answer.
 */
export function icebergSink<T, const S extends IcebergColumns>(
  options: IcebergSinkOptions<T, S>,
): Sink<T, PendingManifest> {
  const { catalog, toRow = (value: T) => value } = options;
  const name = tableName(options.table);
  const wanted = wantedTable(options);
  // What does not go together is found before anything runs.
  newTable(name, wanted);
  const limits = limitsOf(options);
  const attemptsMax = atLeastOne('commitAttemptsMax', options.commitAttemptsMax, 20);
  const targetOf = (world: World): CommitTarget => ({
    catalog: catalog.connect(world),
    table: name,
    world,
    attemptsMax,
  });
  return {
    kind: 'iceberg',
    committables: pendingManifests,
    rollback: (context) => rollBackSink(targetOf(context.world), context),
    writer: (context) =>
      new IcebergWriter<T>(context, { target: targetOf(context.world), wanted, toRow, limits }),
    committer: (context) => {
      const target = targetOf(context.world);
      return new IcebergCommitter(context, {
        target,
        wanted,
        removeLeftovers: options.removeLeftovers ?? true,
        afterCommit: async () => {
          if (options.expireSnapshots === true) await expireSnapshots(target);
        },
      });
    },
  };
}

function wantedTable<T, S extends IcebergColumns>(options: IcebergSinkOptions<T, S>): WantedTable {
  const schema: IcebergColumns = options.schema;
  const columns =
    'kind' in schema
      ? { ...schema.columns, ...options.columns }
      : columnsOf(typeSchemaFrom(schema), options.columns);
  return {
    columns,
    partitionBy: options.partitionBy ?? [],
    properties: {
      // Else one file of metadata stays for every checkpoint there ever was.
      'write.metadata.delete-after-commit.enabled': 'true',
      'write.parquet.compression-codec': codecName(options.compression),
      ...options.properties,
    },
    evolve: options.evolve ?? false,
  };
}

function codecName(compression: ParquetCompression = 'zstd'): string {
  return compression === 'none' ? 'uncompressed' : compression;
}

function limitsOf<T, S extends IcebergColumns>(options: IcebergSinkOptions<T, S>): FileLimits {
  const { compression = 'zstd' } = options;
  if (!(compression in CODECS)) throw badIcebergOption('compression', compression, '"zstd"');
  return {
    compression,
    targetFileSizeBytes: atLeastOne('targetFileSizeBytes', options.targetFileSizeBytes, 128 * MIB),
    openFilesMax: atLeastOne('openFilesMax', options.openFilesMax, 64),
    rowGroupRows: atLeastOne('rowGroupRows', options.rowGroupRows, 50_000),
    rowGroupBytes: atLeastOne('rowGroupBytes', options.rowGroupBytes, 8 * MIB),
    bufferBytesMax: atLeastOne('bufferBytesMax', options.bufferBytesMax, 64 * MIB),
  };
}

function atLeastOne(option: string, value: number | undefined, otherwise: number): number {
  const chosen = value ?? otherwise;
  if (!(chosen >= 1)) throw badIcebergOption(option, chosen, String(otherwise));
  return chosen;
}
