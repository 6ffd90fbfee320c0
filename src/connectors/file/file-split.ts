import type { Serializer } from '../../serde/serializer.ts';
import { serializerOf } from '../../serde/structural-serializer.ts';

/** What a file was like when it was read last, so that a later reader can tell that it is the same. */
export interface FileIdentity {
  sizeBytes: number;
  /** Length and CRC-32 of the file's first bytes. */
  headBytes: number;
  headCrc: number;
}

/** One file, with how far it was read. `offset` counts decompressed bytes. */
export interface FileSplit {
  file: string;
  row: number;
  offset: number;
  /** Of the file's header, once it was read. */
  columns?: string[] | undefined;
  identity?: FileIdentity | undefined;
}

/** What the enumerator remembers. */
export interface FileEnumeratorState {
  /** Whether the files of a bounded source were found. */
  complete: boolean;
  /** Files that are not assigned yet. */
  pending: FileSplit[];
  /** Files that were assigned and were still there at the last look. */
  assigned: string[];
}

const SPLIT = {
  kind: 'object',
  fields: [
    { name: 'file', type: { kind: 'string' } },
    { name: 'row', type: { kind: 'float64' } },
    { name: 'offset', type: { kind: 'float64' } },
    { name: 'columns', type: { kind: 'array', of: { kind: 'string' } }, optional: true },
    {
      name: 'identity',
      optional: true,
      type: {
        kind: 'object',
        fields: [
          { name: 'sizeBytes', type: { kind: 'float64' } },
          { name: 'headBytes', type: { kind: 'float64' } },
          { name: 'headCrc', type: { kind: 'float64' } },
        ],
      },
    },
  ],
} as const;

export const fileSplits: Serializer<FileSplit> = serializerOf(SPLIT);

export const fileEnumeratorState: Serializer<FileEnumeratorState> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'complete', type: { kind: 'boolean' } },
    { name: 'pending', type: { kind: 'array', of: SPLIT } },
    { name: 'assigned', type: { kind: 'array', of: { kind: 'string' } } },
  ],
});

export function newSplit(file: string): FileSplit {
  return { file, row: 0, offset: 0 };
}
