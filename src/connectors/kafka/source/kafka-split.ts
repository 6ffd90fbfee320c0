import type { ByteReader } from '../../../serde/bytes.ts';
import type { Serializer } from '../../../serde/serializer.ts';
import { serializerOf } from '../../../serde/structural-serializer.ts';

/** A partition, with the offset to go on at. */
export interface KafkaSplit {
  topic: string;
  partition: number;
  /** Of the topic as it was: a topic of the same name that was made later is another one. */
  topicId: string;
  offset: number;
  /** Under which leader the record before `offset` was written; missing: not known. */
  leaderEpoch?: number | undefined;
  /** The source is bounded: reading ends before this offset. */
  stopOffset?: number | undefined;
  /** Which setting `stopOffset` was looked up for; see `boundOf`. */
  bound?: string | undefined;
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
  /** For which end partitions were looked for last; missing: for none. */
  bound?: string | undefined;
}

/** As the enumerator has them: nothing is read, and the end is that of the whole state. */
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

export const kafkaSplits: Serializer<KafkaSplit> = serializerOf({
  kind: 'object',
  fields: [
    ...SPLIT.fields,
    { name: 'leaderEpoch', type: { kind: 'float64' }, optional: true },
    { name: 'bound', type: { kind: 'string' }, optional: true },
  ],
});

/** Without `bound`, which came later: it stands behind, and is missing in older snapshots. */
const stateWithoutBound: Serializer<Omit<KafkaEnumeratorState, 'bound'>> = serializerOf({
  kind: 'object',
  fields: [
    { name: 'started', type: { kind: 'boolean' } },
    { name: 'known', type: { kind: 'array', of: { kind: 'string' } } },
    { name: 'pending', type: { kind: 'array', of: SPLIT } },
  ],
});

const bounds = serializerOf({ kind: 'string' });

export const kafkaEnumeratorState: Serializer<KafkaEnumeratorState> = {
  write({ bound, pending, ...state }, to) {
    const plain = pending.map(({ bound: _bound, leaderEpoch: _epoch, ...split }) => split);
    stateWithoutBound.write({ ...state, pending: plain }, to);
    if (bound !== undefined) bounds.write(bound, to);
  },
  copy: ({ bound, ...state }) => ({ ...stateWithoutBound.copy(state), bound }),
  describe: () => stateWithoutBound.describe(),
  resolve: (written) => stateWithoutBound.resolve(written),
  read(from: ByteReader) {
    const state = stateWithoutBound.read(from);
    if (from.remaining === 0) return state;
    const bound = bounds.read(from);
    return { ...state, pending: state.pending.map((split) => ({ ...split, bound })), bound };
  },
};

export function splitIdOf(split: { readonly topic: string; readonly partition: number }): string {
  return `${split.topic}-${split.partition}`;
}
