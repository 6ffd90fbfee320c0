/** What a writer's checkpoint hands to the committer: see docs/formats/iceberg-committable.md. */
import type { Serializer } from '../../serde/serializer.ts';
import { serializerOf } from '../../serde/structural-serializer.ts';

/** One manifest that waits to become part of the table; its data files are whole and durable. */
export interface PendingManifest {
  /** A table that was made anew under the same name is another one. */
  tableUuid: string;
  location: string;
  sizeBytes: number;
  specId: number;
  schemaId: number;
  dataFiles: number;
  rows: number;
  dataBytes: number;
  /** Different partitions in it. */
  partitionCount: number;
  partitions: PendingPartition[];
}

export interface PendingPartition {
  containsNull: boolean;
  containsNan: boolean;
  lower: Uint8Array | null;
  upper: Uint8Array | null;
}

const number = { kind: 'float64' } as const;
const text = { kind: 'string' } as const;
const flag = { kind: 'boolean' } as const;
const bytesOrNull = { kind: 'union', of: [{ kind: 'bytes' }, { kind: 'null' }] } as const;

export const pendingManifests: Serializer<PendingManifest> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'tableUuid', type: text },
    { name: 'location', type: text },
    { name: 'sizeBytes', type: number },
    { name: 'specId', type: number },
    { name: 'schemaId', type: number },
    { name: 'dataFiles', type: number },
    { name: 'rows', type: number },
    { name: 'dataBytes', type: number },
    { name: 'partitionCount', type: number },
    {
      name: 'partitions',
      type: {
        kind: 'array',
        of: {
          kind: 'object',
          fields: [
            { name: 'containsNull', type: flag },
            { name: 'containsNan', type: flag },
            { name: 'lower', type: bytesOrNull },
            { name: 'upper', type: bytesOrNull },
          ],
        },
      },
    },
  ],
});
