/**
 * Reads a topic without a job: what readers of committed records can see when it is begun, and no more. A few
 * answers of the brokers are in memory at a time.
 */
import type { World } from '../../../contracts/source.ts';
import type { TopicView } from '../client/cluster-view.ts';
import { noSuchTopic, requestFailed } from '../client/errors.ts';
import { isRetriable } from '../client/fault.ts';
import { KafkaClient } from '../client/kafka-client.ts';
import { openFormat } from '../source/kafka-format.ts';
import { KafkaSourceReader } from '../source/kafka-reader.ts';
import type { KafkaRecord } from '../source/kafka-record.ts';
import type { KafkaSplit } from '../source/kafka-split.ts';
import { OffsetFinder } from '../source/offsets.ts';
import { RecordHandler } from '../source/record-handler.ts';
import type { KafkaSourceSettings } from '../source/source-options.ts';

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  /** Null for a tombstone. */
  readonly value: string | null;
}

const POLL_RECORDS = 256;
const ABSENT = 'UNKNOWN_TOPIC_OR_PARTITION';

export interface TopicReaderOptions {
  readonly settings: KafkaSourceSettings;
  readonly world: World;
  readonly topic: string;
  /** Not closed here. */
  readonly client: KafkaClient;
  /** Leaves values out, which costs less. */
  readonly keysOnly?: boolean;
}

export class TopicReader {
  readonly #options: TopicReaderOptions;
  /** By partition: the offset to go on at. */
  readonly #positions = new Map<number, number>();

  constructor(options: TopicReaderOptions) {
    this.#options = options;
  }

  /** Undefined: there is no such topic. @throws {EngineError} `KAF-003` to `KAF-009` */
  async partitions(): Promise<number | undefined> {
    const { client, topic } = this.#options;
    const [view] = await client.metadata([topic]);
    if (view === undefined || view.error === ABSENT) return undefined;
    return countOf(view);
  }

  /** Where a partition begins: above 0 if records of it are gone. */
  first(partition: number): Promise<number> {
    const { settings, topic, client } = this.#options;
    const offsets = new OffsetFinder(client, settings.isolation, undefined);
    return offsets.edge({ topic, partition }, 'earliest');
  }

  /** From the beginning. @throws {EngineError} `KAF-007` (`invalid`) if there is no such topic. */
  async *all(): AsyncIterable<TopicRecord> {
    const count = await this.partitions();
    if (count === undefined) throw noSuchTopic(this.#options.topic);
    yield* this.#read(count, () => 'earliest');
  }

  /** What has come since the last call; all at the first one. Nothing if there is no such topic. */
  async *more(): AsyncIterable<TopicRecord> {
    const count = await this.partitions();
    if (count === undefined) return;
    yield* this.#read(count, (partition) => this.#positions.get(partition) ?? 'earliest');
  }

  #parts(record: KafkaRecord): TopicRecord {
    return {
      partition: record.partition,
      offset: record.offset,
      key: record.keyText(),
      value: this.#options.keysOnly === true ? '' : record.valueText(),
    };
  }

  async *#read(
    count: number,
    from: (partition: number) => number | 'earliest',
  ): AsyncIterable<TopicRecord> {
    const { settings, world, topic } = this.#options;
    const splits = await this.#splits(count, from);
    if (splits.length === 0) return;
    const found: TopicRecord[] = [];
    const reader = new KafkaSourceReader<TopicRecord>({
      context: { world, uid: topic, subtask: 0, parallelism: 1, requestSplit: () => undefined },
      settings,
      // The reader closes its own.
      client: new KafkaClient({ access: settings.access, world, clientId: 'tidemark-dlq-reader' }),
      records: new RecordHandler<TopicRecord>(
        openFormat<TopicRecord>((record) => this.#parts(record), { world }),
        'fail',
      ),
    });
    const output = {
      emit: (one: TopicRecord) => found.push(one) > 0,
      splitFinished: () => undefined,
    };
    try {
      reader.addSplits(splits);
      reader.noMoreSplits();
      reader.start();
      for (;;) {
        const step = reader.poll(output, POLL_RECORDS);
        yield* found.splice(0);
        if (step === 'end') break;
        if (step === 'later') await reader.available();
      }
    } finally {
      await reader.close();
    }
    for (const { partition, stopOffset = 0 } of splits) this.#positions.set(partition, stopOffset);
  }

  async #splits(
    count: number,
    from: (partition: number) => number | 'earliest',
  ): Promise<KafkaSplit[]> {
    const { settings, topic, client } = this.#options;
    const offsets = new OffsetFinder(client, settings.isolation, undefined);
    const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
    const splits = await Promise.all(
      partitions.map(async (one): Promise<KafkaSplit> => {
        const start = from(one.partition);
        const stopOffset = await offsets.edge(one, 'latest');
        const offset = start === 'earliest' ? await offsets.edge(one, 'earliest') : start;
        const { topicId } = await client.leader(topic, one.partition);
        return { ...one, topicId, offset, stopOffset, fromEarliest: start === 'earliest' };
      }),
    );
    return splits.filter(({ offset, stopOffset = 0 }) => offset < stopOffset);
  }
}

function countOf({ name, error, partitions }: TopicView): number {
  if (error === undefined) return partitions.length;
  const fault = {
    kind: 'refused',
    apiError: error,
    retriable: isRetriable(error),
    reason: error,
  } as const;
  throw requestFailed('read metadata', name, fault, undefined);
}
