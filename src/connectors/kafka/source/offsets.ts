/** Where reading begins and ends: what a user asks for, turned into numbers once and for all. */
import type { KafkaClient } from '../client/kafka-client.ts';
import { library } from '../client/library.ts';
import { noCommittedOffset } from './errors.ts';
import { splitIdOf } from './kafka-split.ts';

/** What ListOffsets takes in the place of a time. */
const LATEST = -1n;
const EARLIEST = -2n;

/** Offsets by partition, such as `{ 'orders-0': 17 }`. */
export type OffsetsByPartition = Readonly<Record<string, number>>;

/**
 * Where to begin, if there is no state: `earliest` and `latest` of each partition; the `committed` offset
 * of the group, which must be there; the same, or else another place; the first record of a time, or
 * else the end; named offsets.
 */
export type StartFrom =
  | 'earliest'
  | 'latest'
  | 'committed'
  | { readonly committedOr: 'earliest' | 'latest' }
  | { readonly timestampMs: number }
  | { readonly offsets: OffsetsByPartition; readonly otherwise?: 'earliest' | 'latest' };

/** Where a bounded source ends. Records that come later are not read. */
export type StopAt =
  'latest' | { readonly timestampMs: number } | { readonly offsets: OffsetsByPartition };

export type Isolation = 'read_committed' | 'read_uncommitted';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Asks the leaders. Under `read_committed` the end is before the first transaction that is open. */
export class OffsetFinder {
  readonly #client: KafkaClient;
  readonly #isolation: Isolation;
  readonly #groupId: string | undefined;

  constructor(client: KafkaClient, isolation: Isolation, groupId: string | undefined) {
    this.#client = client;
    this.#isolation = isolation;
    this.#groupId = groupId;
  }

  async start(partitions: readonly TopicPartition[], from: StartFrom): Promise<number[]> {
    if (from === 'committed') return this.#committed(partitions, undefined);
    if (typeof from === 'string') return this.#all(partitions, from);
    if ('committedOr' in from) return this.#committed(partitions, from.committedOr);
    if ('timestampMs' in from) return this.#at(partitions, from.timestampMs);
    return this.#named(partitions, from.offsets, from.otherwise ?? 'earliest');
  }

  async stop(partitions: readonly TopicPartition[], at: StopAt): Promise<number[]> {
    if (at === 'latest') return this.#all(partitions, 'latest');
    if ('timestampMs' in at) return this.#at(partitions, at.timestampMs);
    return this.#named(partitions, at.offsets, 'latest');
  }

  /** The first or the next offset of a partition. */
  async edge(of: TopicPartition, which: 'earliest' | 'latest'): Promise<number> {
    return this.#list(of, which === 'earliest' ? EARLIEST : LATEST);
  }

  #all(partitions: readonly TopicPartition[], which: 'earliest' | 'latest'): Promise<number[]> {
    return Promise.all(partitions.map((one) => this.edge(one, which)));
  }

  #at(partitions: readonly TopicPartition[], timestampMs: number): Promise<number[]> {
    return Promise.all(
      partitions.map(async (one) => {
        const found = await this.#list(one, BigInt(timestampMs));
        return found < 0 ? this.edge(one, 'latest') : found;
      }),
    );
  }

  #named(
    partitions: readonly TopicPartition[],
    offsets: OffsetsByPartition,
    otherwise: 'earliest' | 'latest',
  ): Promise<number[]> {
    return Promise.all(
      partitions.map(async (one) => offsets[splitIdOf(one)] ?? this.edge(one, otherwise)),
    );
  }

  async #committed(
    partitions: readonly TopicPartition[],
    otherwise: 'earliest' | 'latest' | undefined,
  ): Promise<number[]> {
    const groupId = this.#groupId ?? '';
    const found = await committedOffsets(this.#client, groupId, partitions);
    return Promise.all(
      partitions.map(async (one) => {
        const offset = found.get(splitIdOf(one));
        if (offset !== undefined) return offset;
        if (otherwise === undefined) throw noCommittedOffset(splitIdOf(one), groupId);
        return this.edge(one, otherwise);
      }),
    );
  }

  async #list({ topic, partition }: TopicPartition, timestamp: bigint): Promise<number> {
    const isolation = this.#isolation === 'read_committed' ? 1 : 0;
    const asked = { partitionIndex: partition, currentLeaderEpoch: -1, timestamp };
    const { topics } = await this.#client.call({
      to: { kind: 'leader', topic, partition },
      doing: 'look up an offset',
      send: (connection) =>
        library().listOffsetsV8.api.async(connection, -1, isolation, [
          { name: topic, partitions: [asked] },
        ]),
    });
    return Number(topics[0]?.partitions[0]?.offset ?? -1n);
  }
}

/** What a group has committed, by split id; partitions without an offset are missing. */
export async function committedOffsets(
  client: KafkaClient,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<Map<string, number>> {
  const { groups } = await client.call({
    to: { kind: 'coordinator', of: 'group', id: groupId },
    doing: 'read committed offsets',
    send: (connection) =>
      library().offsetFetchV8.api.async(
        connection,
        [{ groupId, memberId: '', memberEpoch: -1, topics: byTopic(partitions) }],
        true,
      ),
  });
  const found = new Map<string, number>();
  for (const { name, partitions: of } of groups[0]?.topics ?? []) {
    for (const { partitionIndex, committedOffset } of of) {
      if (committedOffset < 0n) continue;
      found.set(splitIdOf({ topic: name, partition: partitionIndex }), Number(committedOffset));
    }
  }
  return found;
}

function byTopic(partitions: readonly TopicPartition[]) {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  }
  return [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes }));
}
