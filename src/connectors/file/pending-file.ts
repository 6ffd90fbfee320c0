import type { Serializer } from '../../serde/serializer.ts';
import { serializerOf } from '../../serde/structural-serializer.ts';

/** A whole and durable file that waits to become visible under its final name. */
export interface PendingFile {
  pendingPath: string;
  finalPath: string;
  sizeBytes: number;
  /** CRC-32 of its bytes as they are on the disk. */
  crc: number;
}

export const pendingFiles: Serializer<PendingFile> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'pendingPath', type: { kind: 'string' } },
    { name: 'finalPath', type: { kind: 'string' } },
    { name: 'sizeBytes', type: { kind: 'float64' } },
    { name: 'crc', type: { kind: 'float64' } },
  ],
});
