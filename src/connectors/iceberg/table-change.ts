/** What is to become of a table's metadata, and what must still hold: in the words of the REST protocol. */
import { corruptTable } from './errors.ts';
import type { TableSchema } from './iceberg-type.ts';
import type { Json, JsonObject } from './lossless-json.ts';
import {
  currentSnapshotId,
  idOf,
  MAIN,
  type MetadataLogEntry,
  type Snapshot,
  type SnapshotLogEntry,
  type TableMetadata,
} from './table-metadata.ts';

export type TableUpdate =
  | { readonly action: 'add-snapshot'; readonly snapshot: Snapshot }
  | {
      readonly action: 'set-snapshot-ref';
      readonly 'ref-name': string;
      readonly type: 'branch';
      readonly 'snapshot-id': bigint;
    }
  /** Of `main`: the table is empty again. */
  | { readonly action: 'remove-snapshot-ref'; readonly 'ref-name': string }
  | { readonly action: 'remove-snapshots'; readonly 'snapshot-ids': readonly bigint[] }
  | {
      readonly action: 'add-schema';
      readonly schema: TableSchema;
      readonly 'last-column-id': number;
    }
  /** -1 is the schema that was added. */
  | { readonly action: 'set-current-schema'; readonly 'schema-id': number };

export interface TableChange {
  readonly requirements: readonly JsonObject[];
  readonly updates: readonly TableUpdate[];
}

/** The table is the same one, and its main branch ends where it did. */
export function unchangedSnapshots(metadata: TableMetadata): JsonObject[] {
  return [
    sameTable(metadata),
    {
      type: 'assert-ref-snapshot-id',
      ref: MAIN,
      // Null says that there is no such branch yet.
      'snapshot-id': currentSnapshotId(metadata) ?? null,
    },
  ];
}

/** The table is the same one, and its columns are. */
export function unchangedSchema(metadata: TableMetadata): JsonObject[] {
  return [
    sameTable(metadata),
    { type: 'assert-current-schema-id', 'current-schema-id': metadata['current-schema-id'] },
    {
      type: 'assert-last-assigned-field-id',
      'last-assigned-field-id': metadata['last-column-id'],
    },
  ];
}

function sameTable(metadata: TableMetadata): JsonObject {
  return { type: 'assert-table-uuid', uuid: metadata['table-uuid'] };
}

const PREVIOUS_VERSIONS_MAX = 100;
/** What the metadata has for: none. */
const NO_SNAPSHOT = -1;

/**
 * The metadata after a change, for a catalog that makes changes itself.
 *
 * @param previous The file that holds `base`.
 */
export function changed(
  base: TableMetadata,
  updates: readonly TableUpdate[],
  nowMs: number,
  previous: string,
): TableMetadata {
  // The times of a table never go back, whatever the clocks of its writers say.
  const atMs = Math.max(nowMs, Number(base['last-updated-ms']));
  const next = updates.reduce<TableMetadata>(
    (metadata, update) => applied(metadata, update, atMs),
    base,
  );
  const entry: MetadataLogEntry = {
    'timestamp-ms': base['last-updated-ms'],
    'metadata-file': previous,
  };
  const keep = previousVersionsMax(base);
  return {
    ...next,
    'last-updated-ms': atMs,
    'metadata-log': [...(base['metadata-log'] ?? []), entry].slice(-keep),
  };
}

export function previousVersionsMax(metadata: TableMetadata): number {
  const value = Number(metadata.properties?.['write.metadata.previous-versions-max']);
  return Number.isInteger(value) && value >= 1 ? value : PREVIOUS_VERSIONS_MAX;
}

function applied(metadata: TableMetadata, update: TableUpdate, atMs: number): TableMetadata {
  switch (update.action) {
    case 'add-snapshot': {
      const { snapshot } = update;
      return {
        ...metadata,
        snapshots: [...(metadata.snapshots ?? []), snapshot],
        'last-sequence-number': snapshot['sequence-number'] ?? metadata['last-sequence-number'],
      };
    }
    case 'set-snapshot-ref':
      return withRef(metadata, update['ref-name'], update['snapshot-id'], atMs);
    case 'remove-snapshot-ref':
      return withoutRef(metadata, update['ref-name']);
    case 'remove-snapshots':
      return withoutSnapshots(metadata, new Set(update['snapshot-ids']));
    case 'add-schema':
      return {
        ...metadata,
        schemas: [...metadata.schemas, update.schema],
        'last-column-id': Math.max(metadata['last-column-id'], update['last-column-id']),
      };
    case 'set-current-schema': {
      const last = metadata.schemas.at(-1);
      if (last === undefined) throw corruptTable(metadata.location, 'it has no schema');
      const id = update['schema-id'] === -1 ? last['schema-id'] : update['schema-id'];
      return { ...metadata, 'current-schema-id': id };
    }
  }
}

function withRef(metadata: TableMetadata, name: string, id: bigint, atMs: number): TableMetadata {
  const ref = { ...metadata.refs?.[name], type: 'branch', 'snapshot-id': id };
  const refs = { ...metadata.refs, [name]: ref };
  if (name !== MAIN) return { ...metadata, refs };
  const entry: SnapshotLogEntry = { 'timestamp-ms': atMs, 'snapshot-id': id };
  return {
    ...metadata,
    refs,
    'current-snapshot-id': id,
    'snapshot-log': [...(metadata['snapshot-log'] ?? []), entry],
  };
}

function withoutRef(metadata: TableMetadata, name: string): TableMetadata {
  const { [name]: _gone, ...refs } = metadata.refs ?? {};
  return { ...metadata, refs, ...(name === MAIN && { 'current-snapshot-id': NO_SNAPSHOT }) };
}

function withoutSnapshots(metadata: TableMetadata, gone: ReadonlySet<bigint>): TableMetadata {
  const log = metadata['snapshot-log'] ?? [];
  // The history before a gap would be wrong: nobody could tell what was current then.
  const lastGap = log.findLastIndex((entry) => gone.has(BigInt(entry['snapshot-id'])));
  return {
    ...metadata,
    snapshots: (metadata.snapshots ?? []).filter((each) => !gone.has(idOf(each))),
    'snapshot-log': log.slice(lastGap + 1),
    ...withoutStatistics(metadata, 'statistics', gone),
    ...withoutStatistics(metadata, 'partition-statistics', gone),
  };
}

function withoutStatistics(
  metadata: TableMetadata,
  name: string,
  gone: ReadonlySet<bigint>,
): JsonObject {
  const all = metadata[name];
  if (!Array.isArray(all)) return {};
  const kept = (all as readonly Json[]).filter((each) => {
    const id = (each as JsonObject)['snapshot-id'];
    return typeof id !== 'number' && typeof id !== 'bigint' ? true : !gone.has(BigInt(id));
  });
  return { [name]: kept };
}
