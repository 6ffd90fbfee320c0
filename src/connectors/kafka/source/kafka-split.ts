import type { Serializer } from '../../../serde/serializer.ts';
import { serializerOf } from '../../../serde/structural-serializer.ts';

/** A partition, with the offset to go on at. */
export interface KafkaSplit {
  topic: string;
  partition: number;
  /** Of the topic as it was: a topic of the same name that was made later is another one. */
  topicId: string;
  offset: number;
  /** The source is bounded: reading ends before this offset. */
  stopOffset?: number | undefined;
  /** Nothing was read, and it is the beginning that counts, wherever retention moves it. */
  fromEarliest?: boolean | undefined;
}

/** What the enumerator remembers. */
export interface KafkaEnumeratorState {
  /** Whether the partitions that were there at the start were found: all later ones are read from their beginning. */
  started: boolean;
  /** Ids of all partitions that were found. */
  known: string[];
  /** Of these, the ones that no reader has got yet. */
  pending: KafkaSplit[];
}

const SPLIT = {
  kind: 'object',
  fields: [
    { name: 'topic', type: { kind: 'string' } },
    { name: 'partition', type: { kind: 'float64' } },
    { name: 'topicId', type: { kind: 'string' } },
    { name: 'offset', type: { kind: 'float64' } },
    { name: 'stopOffset', type: { kind: 'float64' }, optional: true },
    { name: 'fromEarliest', type: { kind: 'boolean' }, optional: true },
  ],
} as const;

export const kafkaSplits: Serializer<KafkaSplit> = serializerOf(SPLIT);

export const kafkaEnumeratorState: Serializer<KafkaEnumeratorState> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'started', type: { kind: 'boolean' } },
    { name: 'known', type: { kind: 'array', of: { kind: 'string' } } },
    { name: 'pending', type: { kind: 'array', of: SPLIT } },
  ],
});

export function splitIdOf(split: { readonly topic: string; readonly partition: number }): string {
  return `${split.topic}-${split.partition}`;
}
