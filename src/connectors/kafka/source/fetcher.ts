/**
 * Reads ahead. Each broker that leads some of our partitions is asked for those that have nothing waiting,
 * one request at a time and on a connection of its own; answers are queued as they are, and decoded when they are
 * read. What is in memory is bounded by `prefetchBytes` and by two answers for each partition.
 */
import type { Wakeup } from '../../../common/wakeup.ts';
import { notAuthorized, noSuchTopic, requestFailed } from '../client/errors.ts';
import { type Fault, faultOf, isRetriable } from '../client/fault.ts';
import type { KafkaClient } from '../client/kafka-client.ts';
import { corruptBatch, logTruncated, offsetOutOfRange, topicReplaced } from './errors.ts';
import { type FetchedPartition, fetchRaw } from './fetch-request.ts';
import type { KafkaSplit } from './kafka-split.ts';
import { OffsetFinder } from './offsets.ts';
import { PartitionFetch } from './partition-fetch.ts';
import type { KafkaSourceSettings } from './source-options.ts';
import { isBound, rebound } from './split-bound.ts';

const LANE = 'fetch';
/** How long a fetch may wait at the broker while partitions of that broker wait to be asked for again. */
const SHORT_WAIT_MS = 10;
const NO_EPOCH = -1;

export interface FetcherOptions {
  readonly client: KafkaClient;
  readonly settings: KafkaSourceSettings;
  /** Woken when there is something to read, or a failure. */
  readonly wakeup: Wakeup;
}

export class Fetcher {
  readonly #client: KafkaClient;
  readonly #settings: KafkaSourceSettings;
  readonly #wakeup: Wakeup;
  readonly #offsets: OffsetFinder;
  readonly partitions: PartitionFetch[] = [];
  /** Brokers that are being asked, with the bytes that may come. */
  readonly #asked = new Map<number, number>();
  #turn = 0;
  #closed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor({ client, settings, wakeup }: FetcherOptions) {
    this.#client = client;
    this.#settings = settings;
    this.#wakeup = wakeup;
    this.#offsets = new OffsetFinder(client, settings.isolation, settings.groupId);
  }

  add(splits: readonly KafkaSplit[]): void {
    const { unavailableAfterMs, fetch, decompressedBytesMax, bounded } = this.#settings;
    const options = { checksCrc: fetch.checksCrc, decompressedBytesMax };
    for (const split of splits) {
      const backoff = this.#client.backoff(unavailableAfterMs);
      this.partitions.push(new PartitionFetch(rebound(split, bounded), backoff, options));
    }
  }

  remove(partition: PartitionFetch): void {
    this.partitions.splice(this.partitions.indexOf(partition), 1);
  }

  /** Throws what made fetching fail, if it has. */
  check(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    throw error instanceof Error ? error : new TypeError(String(error));
  }

  close(): void {
    this.#closed = true;
  }

  /** Sends what can be sent now. Called whenever something has changed. */
  pump(): void {
    if (this.#closed || this.#failure !== undefined) return;
    const nodes = new Map<number, PartitionFetch[]>();
    const busy = new Set<number>();
    for (const partition of this.partitions) {
      if (partition.isFetchedToStop) continue;
      if (partition.state === 'lost') this.#run(this.#find(partition));
      const { leader } = partition;
      if (partition.state !== 'ready' || leader === undefined) continue;
      if (partition.isFull) busy.add(leader.nodeId);
      else nodes.set(leader.nodeId, [...(nodes.get(leader.nodeId) ?? []), partition]);
    }
    for (const [nodeId, wanted] of nodes) {
      if (this.#asked.has(nodeId)) continue;
      const maxBytes = Math.min(this.#settings.fetch.maxBytes, this.#bytesLeft());
      if (maxBytes <= 0) continue;
      this.#asked.set(nodeId, maxBytes);
      this.#run(this.#ask(nodeId, this.#inTurn(wanted), maxBytes, busy.has(nodeId)));
    }
  }

  #bytesLeft(): number {
    let left = this.#settings.prefetchBytes;
    for (const partition of this.partitions) left -= partition.bytes;
    for (const bytes of this.#asked.values()) left -= bytes;
    return left;
  }

  /** The broker fills an answer from the front: each time another partition is the first. */
  #inTurn(partitions: PartitionFetch[]): PartitionFetch[] {
    const first = this.#turn++ % partitions.length;
    return [...partitions.slice(first), ...partitions.slice(0, first)];
  }

  #run(task: Promise<void>): void {
    task.catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#failure ??= { error };
    this.#wakeup.wake();
  }

  async #find(partition: PartitionFetch): Promise<void> {
    const { topic, partition: index } = partition.split;
    partition.state = 'finding';
    try {
      const leader = await this.#client.leader(topic, index);
      const { topicId } = partition.split;
      await this.#bind(partition);
      partition.leader = leader;
      partition.state = 'ready';
      if (topicId !== '' && topicId !== leader.topicId) await this.#replaced(partition);
      this.pump();
    } catch (error) {
      await this.#lose(partition, faultOf(error), error);
    }
  }

  /** Looks up where a split ends that was restored from a run with another end, or with none. */
  async #bind({ split }: PartitionFetch): Promise<void> {
    const { bounded } = this.#settings;
    if (bounded === undefined || isBound(split)) return;
    const [stopOffset] = await this.#offsets.stop([split], bounded);
    const end = Math.max(stopOffset ?? 0, split.offset);
    Object.assign(split, rebound({ ...split, stopOffset: end }, bounded));
    // It may be at its end already.
    this.#wakeup.wake();
  }

  async #ask(
    nodeId: number,
    partitions: PartitionFetch[],
    maxBytes: number,
    others: boolean,
  ): Promise<void> {
    for (const partition of partitions) partition.state = 'asked';
    const { maxWaitMs, minBytes } = this.#settings.fetch;
    const isolation = this.#settings.isolation === 'read_committed' ? 1 : 0;
    const offsets = partitions.map(({ fetchOffset }) => fetchOffset);
    try {
      const { connection } = await this.#client.link({ kind: 'broker', nodeId }, LANE);
      const { error, partitions: fetched } = await fetchRaw(
        connection,
        others ? Math.min(maxWaitMs, SHORT_WAIT_MS) : maxWaitMs,
        minBytes,
        maxBytes,
        isolation,
        0, // no session: each request is complete
        NO_EPOCH,
        this.#topicsOf(partitions),
        [],
        '',
      );
      this.#asked.delete(nodeId);
      if (this.#closed) return;
      const byKey = new Map(fetched.map((one) => [`${one.topicId}/${one.partition}`, one]));
      for (const [i, partition] of partitions.entries()) {
        const { leader, split } = partition;
        const answer = byKey.get(`${leader?.topicId ?? ''}/${split.partition}`);
        partition.state = 'ready';
        const name = error ?? answer?.error;
        if (name !== undefined) this.#run(this.#refused(partition, name));
        else if (answer !== undefined) this.#take(partition, answer, offsets[i] ?? 0);
      }
    } catch (error) {
      this.#asked.delete(nodeId);
      const fault = faultOf(error);
      for (const partition of partitions) this.#run(this.#lose(partition, fault, error));
    }
    this.pump();
  }

  #topicsOf(partitions: readonly PartitionFetch[]) {
    const topics = new Map<string, PartitionFetch[]>();
    for (const partition of partitions) {
      const topicId = partition.leader?.topicId ?? '';
      topics.set(topicId, [...(topics.get(topicId) ?? []), partition]);
    }
    return [...topics].map(([topicId, of]) => ({
      topicId,
      partitions: of.map(({ split, leader, fetchOffset, fetchEpoch }) => ({
        partition: split.partition,
        currentLeaderEpoch: leader?.leaderEpoch ?? NO_EPOCH,
        fetchOffset: BigInt(fetchOffset),
        lastFetchedEpoch: fetchEpoch,
        partitionMaxBytes: this.#settings.fetch.partitionMaxBytes,
      })),
    }));
  }

  #take(partition: PartitionFetch, answer: FetchedPartition, fetchOffset: number): void {
    const { highWatermark, lastStableOffset, aborted, records: bytes, divergesAt } = answer;
    const isCommitted = this.#settings.isolation === 'read_committed';
    partition.backoff.reset();
    if (divergesAt !== undefined) {
      this.#diverged(partition, divergesAt);
      return;
    }
    partition.endOffset = isCommitted && lastStableOffset >= 0 ? lastStableOffset : highWatermark;
    if (bytes.length === 0) return;
    partition.add({ bytes, aborted: isCommitted ? aborted : [], fetchOffset });
    this.#wakeup.wake();
  }

  async #refused(partition: PartitionFetch, name: string): Promise<void> {
    const reason = name;
    if (name === 'OFFSET_OUT_OF_RANGE') return this.#outOfRange(partition);
    if (name === 'CORRUPT_MESSAGE') {
      throw corruptBatch(partition.id, partition.fetchOffset, 'the broker says so');
    }
    const fault: Fault = { kind: 'refused', apiError: name, retriable: isRetriable(name), reason };
    return this.#lose(partition, fault, undefined);
  }

  /** Waits, and has the leader looked up again; fails when that went on for too long. */
  async #lose(partition: PartitionFetch, fault: Fault, cause: unknown): Promise<void> {
    const { topic, partition: index } = partition.split;
    const to = { kind: 'leader', topic, partition: index } as const;
    partition.state = 'finding';
    partition.leader = undefined;
    this.#client.forget(to, fault);
    const isOver = this.#closed || !fault.retriable || !(await partition.backoff.wait());
    if (this.#closed) return;
    if (isOver) {
      if (cause !== undefined) throw this.#client.errorOf('fetch records', to, cause);
      const name = fault.apiError ?? '';
      if (name.endsWith('AUTHORIZATION_FAILED')) {
        throw notAuthorized('fetch records', partition.id, name, undefined);
      }
      throw /^UNKNOWN_TOPIC/.test(name)
        ? noSuchTopic(partition.id)
        : requestFailed('fetch records', partition.id, fault, undefined);
    }
    partition.state = 'lost';
    this.pump();
  }

  /**
   * An unclean leader election has cut off what was fetched last, and other records have taken its place.
   * Without a look at the epochs they would be passed over, and the lost ones would count.
   */
  #diverged(partition: PartitionFetch, divergesAt: number): void {
    // It may be only what was read ahead: the next request, from where reading is, tells.
    if (partition.isAhead) {
      partition.dropAhead();
      return;
    }
    const { id, fetchOffset: offset, fetchEpoch: leaderEpoch } = partition;
    if (this.#settings.onOffsetOutOfRange === 'fail') {
      this.#fail(logTruncated(id, { offset, leaderEpoch, divergesAt }));
      return;
    }
    // As Java's consumer: whichever the policy, not a record that is there is left out.
    partition.resetTo(Math.min(divergesAt, offset));
    this.#wakeup.wake();
  }

  async #outOfRange(partition: PartitionFetch): Promise<void> {
    const { split, fetchOffset, id } = partition;
    const policy = this.#settings.onOffsetOutOfRange;
    const isUntouched = split.fromEarliest === true && fetchOffset === split.offset;
    if (policy === 'fail' && !isUntouched) {
      throw offsetOutOfRange(id, fetchOffset, await this.#offsets.edge(split, 'earliest'));
    }
    await this.#reset(partition, isUntouched || policy === 'fail' ? 'earliest' : policy);
    if (isUntouched) split.offset = partition.fetchOffset;
  }

  /** Another topic has the name now: its offsets mean something else. */
  async #replaced(partition: PartitionFetch): Promise<void> {
    const { split, leader, fetchOffset, id } = partition;
    const policy = this.#settings.onOffsetOutOfRange;
    if (policy === 'fail') throw topicReplaced(id, fetchOffset);
    split.topicId = leader?.topicId ?? '';
    await this.#reset(partition, policy);
  }

  async #reset(partition: PartitionFetch, to: 'earliest' | 'latest'): Promise<void> {
    partition.state = 'finding';
    const offset = await this.#offsets.edge(partition.split, to);
    partition.resetTo(offset);
    partition.state = 'ready';
    this.#wakeup.wake();
    this.pump();
  }
}
