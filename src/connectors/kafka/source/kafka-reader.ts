import type { Clock } from '../../../common/clock.ts';
import { Wakeup } from '../../../common/wakeup.ts';
import type { RecordPosition } from '../../../contracts/dead-letter.ts';
import type {
  ReaderContext,
  ReaderMetric,
  SourceOutput,
  SourceReader,
} from '../../../contracts/source.ts';
import type { KafkaClient } from '../client/kafka-client.ts';
import { Fetcher } from './fetcher.ts';
import { type KafkaSplit } from './kafka-split.ts';
import { OffsetCommitter } from './offset-committer.ts';
import type { PartitionFetch } from './partition-fetch.ts';
import type { RecordHandler } from './record-handler.ts';
import type { KafkaSourceSettings } from './source-options.ts';

export interface KafkaReaderOptions<T> {
  readonly context: ReaderContext;
  readonly settings: KafkaSourceSettings;
  readonly client: KafkaClient;
  readonly records: RecordHandler<T>;
}

/**
 * Reads its partitions in turns, an answer of one after an answer of another. Fetching happens between
 * the polls; a poll decodes what is at hand.
 */
export class KafkaSourceReader<T> implements SourceReader<T, KafkaSplit> {
  readonly #context: ReaderContext;
  readonly #client: KafkaClient;
  readonly #records: RecordHandler<T>;
  readonly #fetcher: Fetcher;
  readonly #committer: OffsetCommitter | undefined;
  readonly #wakeup = new Wakeup();
  #current: PartitionFetch | undefined;
  #turn = 0;
  /**
   * Read to their end. They stay in the state: started again with another end or without one, the job goes on there.
   */
  readonly #finished: KafkaSplit[] = [];
  #noMore = false;

  constructor({ context, settings, client, records }: KafkaReaderOptions<T>) {
    this.#context = context;
    this.#client = client;
    this.#records = records;
    this.#fetcher = new Fetcher({ client, settings, wakeup: this.#wakeup });
    this.#committer = committerOf(settings, client, context.world.clock);
  }

  start(): void {
    // The enumerator gives partitions to readers that it knows of, also later ones.
    this.#context.requestSplit();
    this.#fetcher.pump();
  }

  poll(out: SourceOutput<T>, limit: number): 'more' | 'later' | 'end' {
    this.#fetcher.check();
    this.#records.check();
    if (this.#records.waits()) return 'later';
    for (let left = limit; left > 0;) {
      const partition = this.#current ?? this.#nextPartition(out);
      if (partition === undefined) {
        return this.#noMore && this.#fetcher.partitions.length === 0 ? 'end' : 'later';
      }
      const { cursor, split } = partition;
      const stopOffset = split.stopOffset ?? Infinity;
      while (left > 0) {
        if (!cursor.next() || cursor.offset >= stopOffset) {
          this.#leave(partition);
          break;
        }
        left -= 1;
        if (this.#records.handle(cursor, out)) continue;
        if (!this.#records.waits()) return 'more';
        cursor.unread();
        void this.#records.ready().then(() => this.#wakeup.wake());
        return 'later';
      }
    }
    return 'more';
  }

  available(): Promise<void> {
    return this.#wakeup.wait();
  }

  addSplits(splits: readonly KafkaSplit[]): void {
    this.#fetcher.add(splits);
    this.#fetcher.pump();
    this.#wakeup.wake();
  }

  noMoreSplits(): void {
    this.#noMore = true;
    this.#wakeup.wake();
  }

  snapshot(checkpointId: number): KafkaSplit[] {
    const reading = this.#fetcher.partitions.map((partition) => partition.progress());
    const splits = [...reading, ...this.#finished];
    this.#committer?.snapshotTaken(checkpointId, splits);
    return splits;
  }

  checkpointCompleted(checkpointId: number): void {
    this.#committer?.checkpointCompleted(checkpointId);
  }

  /** Where the record is that is being emitted. */
  position(): RecordPosition {
    const { topic = '', partition = -1, offset = -1 } = this.#current?.cursor ?? {};
    return { topic, partition, offset: String(offset) };
  }

  /** Under Flink's names, those of Kafka's own client among them. */
  metrics(): ReaderMetric[] {
    const { partitions } = this.#fetcher;
    const lags = partitions.flatMap(({ pendingRecords }) => pendingRecords ?? []);
    const total = (name: string, value: number, ...groups: [string][]): ReaderMetric => ({
      name,
      value,
      ...(groups.length === 0 ? {} : { groups }),
    });
    return [
      total(
        'pendingRecords',
        lags.reduce((sum, lag) => sum + lag, 0),
      ),
      total('numRecordsInErrors', this.#records.errors),
      total('records-lag-max', Math.max(0, ...lags), ['KafkaSourceReader'], ['KafkaConsumer']),
      ...(this.#committer === undefined
        ? []
        : [
            total('commitsSucceeded', this.#committer.succeeded, ['KafkaSourceReader']),
            total('commitsFailed', this.#committer.failed, ['KafkaSourceReader']),
          ]),
      ...partitions.flatMap((partition) => this.#metricsOf(partition)),
    ];
  }

  async close(): Promise<void> {
    this.#fetcher.close();
    this.#records.close();
    await this.#committer?.close();
    await this.#client.close();
  }

  #metricsOf({ split, cursor, id, pendingRecords }: PartitionFetch): ReaderMetric[] {
    const groups: ReaderMetric['groups'] = [
      ['KafkaSourceReader'],
      ['topic', split.topic],
      ['partition', String(split.partition)],
    ];
    // As Flink has it: the last one that was read, not the next.
    const currentOffset = { name: 'currentOffset', value: cursor.position - 1, groups };
    const committed = this.#committer?.committed(id);
    return [
      currentOffset,
      ...(committed === undefined ? [] : [{ name: 'committedOffset', value: committed, groups }]),
      ...(pendingRecords === undefined
        ? []
        : [{ name: 'records-lag', value: pendingRecords, groups }]),
    ];
  }

  /** The next one, in turns, that has something to read. */
  #nextPartition(out: SourceOutput<T>): PartitionFetch | undefined {
    const { partitions } = this.#fetcher;
    for (let tried = partitions.length; tried > 0; tried -= 1) {
      this.#turn = (this.#turn + 1) % partitions.length;
      const partition = partitions[this.#turn];
      if (partition === undefined) continue;
      if (partition.isAtStop) {
        this.#finish(partition, out);
        if (partitions.length === 0) return undefined;
        continue;
      }
      if (!partition.nextChunk()) continue;
      this.#current = partition;
      // A place for the next answer is free.
      this.#fetcher.pump();
      return partition;
    }
    return undefined;
  }

  #leave(partition: PartitionFetch): void {
    this.#current = undefined;
    if (partition.isAtStop) return;
    this.#fetcher.pump();
  }

  #finish(partition: PartitionFetch, out: SourceOutput<T>): void {
    this.#finished.push(partition.progress());
    this.#fetcher.remove(partition);
    out.splitFinished(partition.id);
  }
}

function committerOf(
  { groupId }: KafkaSourceSettings,
  client: KafkaClient,
  clock: Clock,
): OffsetCommitter | undefined {
  return groupId === undefined ? undefined : new OffsetCommitter(client, groupId, clock);
}
