/**
 * Tells the group how far the job is, for people and for monitoring: the job itself goes by its
 * checkpoints. An offset is told only after the checkpoint that holds it is complete.
 *
 * Always holds: one request at a time, and the newest offsets next, so that the group's offsets never go
 * back while this reader lives. A failure costs a metric, never the job.
 */
import { type Clock, sleep } from '../../../common/clock.ts';
import type { KafkaClient } from '../client/kafka-client.ts';
import { library } from '../client/library.ts';
import { type KafkaSplit, splitIdOf } from './kafka-split.ts';

/** Checkpoints that were taken and are not known to be complete; older ones are given up. */
const PENDING_MAX = 32;
/** How long the end of a reader may wait for the last offsets to be told. */
const CLOSE_MS_MAX = 2_000;

interface TakenOffsets {
  readonly checkpointId: number;
  readonly splits: readonly KafkaSplit[];
}

export class OffsetCommitter {
  readonly #client: KafkaClient;
  readonly #groupId: string;
  readonly #clock: Clock;
  #taken: TakenOffsets[] = [];
  #next: readonly KafkaSplit[] | undefined;
  readonly #committed = new Map<string, number>();
  #running: Promise<void> | undefined;
  succeeded = 0;
  failed = 0;

  constructor(client: KafkaClient, groupId: string, clock: Clock) {
    this.#client = client;
    this.#groupId = groupId;
    this.#clock = clock;
  }

  /** What the group was told of a partition. */
  committed(splitId: string): number | undefined {
    return this.#committed.get(splitId);
  }

  snapshotTaken(checkpointId: number, splits: readonly KafkaSplit[]): void {
    this.#taken.push({ checkpointId, splits });
    if (this.#taken.length > PENDING_MAX) this.#taken.shift();
  }

  checkpointCompleted(checkpointId: number): void {
    const found = this.#taken.find((one) => one.checkpointId === checkpointId);
    this.#taken = this.#taken.filter((one) => one.checkpointId > checkpointId);
    if (found === undefined) return;
    this.#next = found.splits;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    if (this.#running === undefined) return;
    await Promise.race([this.#running, sleep(this.#clock, CLOSE_MS_MAX)]);
  }

  async #run(): Promise<void> {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined;
      const fresh = next.filter((one) => one.offset > (this.#committed.get(splitIdOf(one)) ?? -1));
      if (fresh.length === 0) continue;
      try {
        await this.#commit(fresh);
        for (const one of fresh) this.#committed.set(splitIdOf(one), one.offset);
        this.succeeded += 1;
      } catch {
        this.failed += 1;
      }
    }
  }

  async #commit(splits: readonly KafkaSplit[]): Promise<void> {
    const topics = [...new Set(splits.map(({ topic }) => topic))].map((name) => ({
      name,
      partitions: splits
        .filter(({ topic }) => topic === name)
        .map(({ partition, offset, leaderEpoch = -1 }) => ({
          partitionIndex: partition,
          committedOffset: BigInt(offset),
          committedLeaderEpoch: leaderEpoch,
          committedMetadata: '',
        })),
    }));
    await this.#client.call({
      to: { kind: 'coordinator', of: 'group', id: this.#groupId },
      doing: 'commit offsets',
      // No member of the group: generation -1 is how a consumer without one commits.
      send: (connection) =>
        library().offsetCommitV8.api.async(connection, this.#groupId, -1, '', null, topics),
    });
  }
}
