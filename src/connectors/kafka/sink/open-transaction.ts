import type { Serializer } from '../../../serde/serializer.ts';
import { serializerOf } from '../../../serde/structural-serializer.ts';

/** A transaction whose records are all at the brokers, and whom only its commit makes visible. */
export interface OpenTransaction {
  transactionalId: string;
  producerId: bigint;
  producerEpoch: number;
  /** What it wrote, for people who must look into a commit that failed. */
  written: WrittenRange[];
}

export interface WrittenRange {
  topic: string;
  partition: number;
  firstOffset: bigint;
  lastOffset: bigint;
}

export const openTransactions: Serializer<OpenTransaction> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'transactionalId', type: { kind: 'string' } },
    { name: 'producerId', type: { kind: 'bigint' } },
    { name: 'producerEpoch', type: { kind: 'int32' } },
    {
      name: 'written',
      type: {
        kind: 'array',
        of: {
          kind: 'object',
          fields: [
            { name: 'topic', type: { kind: 'string' } },
            { name: 'partition', type: { kind: 'int32' } },
            { name: 'firstOffset', type: { kind: 'bigint' } },
            { name: 'lastOffset', type: { kind: 'bigint' } },
          ],
        },
      },
    },
  ],
});
