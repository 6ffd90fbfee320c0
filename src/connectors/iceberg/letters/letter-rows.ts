/** Rows of tables of dead letters, a slice of a data file in memory at a time. */
import { nextTurn } from '../../../common/clock.ts';
import type { DeadLetter } from '../../../contracts/dead-letter.ts';
import { checkLetter } from '../../../contracts/letter-place.ts';
import type { World } from '../../../contracts/source.ts';
import { corruptParquet } from '../../../formats/errors.ts';
import { ParquetFile, readFooter } from '../../../formats/parquet/parquet-file.ts';
import type { TypeSchema } from '../../../serde/type-schema.ts';
import { tableText, type LoadedTable, type TableName } from '../catalog.ts';
import { corruptTable } from '../errors.ts';
import { STATUS, type ManifestEntry } from '../manifest.ts';
import { entriesOf, manifestsOf } from '../read-manifests.ts';
import { placeOf, type TableIo } from '../table-io.ts';
import type { Snapshot } from '../table-metadata.ts';
import { deletedRows } from './errors.ts';

export interface DataFilePlace {
  readonly location: string;
  readonly sizeBytes: number;
}

const text = { kind: 'string' } as const;
const date = { kind: 'date' } as const;
const orNull = (of: TypeSchema): TypeSchema => ({ kind: 'union', of: [of, { kind: 'null' }] });

const COLUMNS: Readonly<Record<keyof DeadLetter, TypeSchema>> = {
  version: { kind: 'int32' },
  id: text,
  job: text,
  operator: text,
  subtask: { kind: 'int32' },
  attempt: { kind: 'int32' },
  failedAt: date,
  errorName: text,
  errorCode: orNull(text),
  errorMessage: text,
  errorStack: orNull(text),
  eventTime: orNull(date),
  key: orNull(text),
  source: orNull(text),
  position: orNull(text),
  record: text,
  recordExact: { kind: 'boolean' },
};
const WANTED: TypeSchema = {
  kind: 'object',
  fields: Object.entries(COLUMNS).map(([name, type]) => ({ name, type })),
};
const ALL_COLUMNS = Object.keys(COLUMNS);
const IDS: TypeSchema = { kind: 'object', fields: [{ name: 'id', type: text }] };

/**
 * The data files of a snapshot.
 *
 * @throws {EngineError} `DLQ-012` (`invalid`) if rows were deleted without their files, `ICE-007` (`corrupt`).
 */
export async function* dataFilesOf(
  { io }: LoadedTable,
  name: TableName,
  snapshot: Snapshot,
): AsyncIterable<DataFilePlace> {
  for (const manifest of await manifestsOf(io, snapshot)) {
    if (manifest.content !== 0) {
      if (manifest.files.added + manifest.files.existing > 0n) throw deletedRows(tableText(name));
      continue;
    }
    for (const entry of await entriesOf(io, manifest)) {
      if (entry.status !== STATUS.deleted) yield placeIn(entry);
    }
  }
}

export function placeIn({ location, dataFile }: ManifestEntry): DataFilePlace {
  const sizeBytes = Number(dataFile['file_size_in_bytes']);
  if (!Number.isSafeInteger(sizeBytes)) throw corruptTable(location, 'its size is not known');
  return { location, sizeBytes };
}

export interface LetterRow {
  readonly letter: DeadLetter;
  /** In the file, from 0. */
  readonly row: number;
}

/** @throws {EngineError} `DLQ-004`, `FMT-006` (`corrupt`), `FMT-007` (`invalid`), `ICE-007` (`corrupt`). */
export async function* lettersIn(
  io: TableIo,
  file: DataFilePlace,
  world: World,
  from = 0,
): AsyncIterable<LetterRow> {
  const { location } = file;
  for await (const { value, row } of rowsIn(io, file, world, { columns: WANTED, from })) {
    yield { letter: letterOf(value, location, row), row };
  }
}

export async function* idsIn(
  io: TableIo,
  file: DataFilePlace,
  world: World,
): AsyncIterable<string> {
  for await (const { value } of rowsIn(io, file, world, { columns: IDS, from: 0 })) {
    yield (value as { readonly id: string }).id;
  }
}

interface Wanted {
  readonly columns: TypeSchema;
  readonly from: number;
}

async function* rowsIn(io: TableIo, file: DataFilePlace, { clock }: World, wanted: Wanted) {
  const parquet = await open(io, file, wanted.columns);
  for (let row = wanted.from; row < parquet.rows;) {
    const slice = await parquet.slice(row, () => nextTurn(clock));
    for (let index = 0; index < slice.length; index += 1, row += 1) {
      yield { value: slice.row(index), row };
    }
    if (slice.length === 0) return;
  }
}

async function open(
  io: TableIo,
  { location, sizeBytes }: DataFilePlace,
  wanted: TypeSchema,
): Promise<ParquetFile> {
  const buffer = {
    byteLength: sizeBytes,
    slice: async (start: number, end = sizeBytes): Promise<ArrayBuffer> => {
      if (!(start >= 0 && start <= end && end <= sizeBytes)) {
        const place = { source: location, row: 0 };
        throw corruptParquet(place, `bytes ${start} to ${end} are not in the file`);
      }
      const bytes = await io.readPart(location, start, end - start);
      if (bytes === undefined) throw corruptTable(location, 'it is not there');
      if (bytes.length < end - start) throw corruptTable(location, 'it is too short');
      return new Uint8Array(bytes).buffer;
    },
  };
  const footer = await readFooter(buffer, location);
  if (footer === undefined) throw corruptTable(location, 'it does not end as a Parquet file does');
  const columns = wanted === IDS ? ['id'] : ALL_COLUMNS;
  return new ParquetFile(buffer, footer, { source: placeOf(location), columns, wanted });
}

function letterOf(value: unknown, location: string, row: number): DeadLetter {
  const { failedAt, eventTime, ...letter } = value as Record<string, unknown>;
  return checkLetter(
    { ...letter, failedAt: iso(failedAt), eventTime: iso(eventTime) },
    location,
    row,
  );
}

function iso(value: unknown): unknown {
  return value instanceof Date ? value.toISOString() : value;
}
