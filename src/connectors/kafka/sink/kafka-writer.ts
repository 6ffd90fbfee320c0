import type { SinkWriter, WriterContext } from '../../../contracts/sink.ts';
import { refusal } from '../client/fault.ts';
import { KafkaClient } from '../client/kafka-client.ts';
import { KafkaProducer } from './kafka-producer.ts';
import type { KafkaSinkPlan } from './sink-options.ts';
import { isTopicName } from './sink-options.ts';
import type { OpenTransaction } from './open-transaction.ts';
import type { ProducerTransaction } from './producer-transaction.ts';
import type { KafkaBytes, KafkaHeaders } from './record-batch-builder.ts';
import { badSinkOption, cannotEncode } from './errors.ts';
import { SinkTopic } from './sink-topic.ts';
import type { OpenValueFormat } from './value-format.ts';
import { fenceTransactionalId } from './transaction-requests.ts';
import { scopeOf, transactionalIdOf } from './transactional-id.ts';

/** How often the partitions of a topic are counted again. Java's producer: `metadata.max.age.ms`. */
const TOPIC_AGE_MS_MAX = 300_000;
/** What is not aborted at the end is aborted by the next start, or by Kafka after its timeout. */
const CLOSE_MS_MAX = 5_000;
/** A topic that was made a moment ago is not known everywhere. */
const TOPIC_MS_MAX = 10_000;

/**
 * Writes one subtask's records: into a transaction per checkpoint, or without any.
 *
 * Always holds: at a barrier the transaction so far is set apart at once, so that records behind it go to
 * the next one while its last answers are awaited.
 */
export class KafkaWriter<T> implements SinkWriter<T, OpenTransaction> {
  readonly #plan: KafkaSinkPlan<T>;
  readonly #context: WriterContext;
  readonly #client: KafkaClient;
  readonly #producer: KafkaProducer;
  readonly #format: OpenValueFormat<T> | undefined;
  readonly #valueOf: ((record: T) => KafkaBytes) | undefined;
  readonly #topics = new Map<string, SinkTopic>();
  /** Of a sink with one topic. */
  #topic: SinkTopic | undefined;
  /** Set apart, and not yet all at the brokers. */
  readonly #flushing = new Set<ProducerTransaction>();
  #transactions = 0;
  #isRefreshing = false;

  constructor(context: WriterContext, plan: KafkaSinkPlan<T>) {
    this.#plan = plan;
    this.#context = context;
    const { world, uid, writerId, subtask } = context;
    this.#client = new KafkaClient({ access: plan.access, world, clientId: `${uid}-${subtask}` });
    const { value } = plan;
    if (typeof value === 'function') this.#valueOf = value;
    else this.#format = value?.open({ world });
    const scope = scopeOf(plan.transactionalIdPrefix, uid);
    const isTransactional = plan.delivery === 'exactly-once';
    this.#producer = new KafkaProducer({
      ...plan,
      client: this.#client,
      world,
      compression: plan.batchCompression,
      nextTransactionalId: isTransactional
        ? () => transactionalIdOf(scope, writerId, this.#transactions++)
        : undefined,
    });
  }

  async open(): Promise<void> {
    const { topic } = this.#plan;
    if (typeof topic === 'string') this.#topic = await this.#loadTopic(topic);
  }

  write(record: T, timestampMs: number | undefined): void | Promise<void> {
    const topic = this.#topic ?? this.#topicOf(record);
    if (topic === undefined) return this.#writeToNewTopic(record, timestampMs);
    if (!this.#append(topic, record, timestampMs)) return undefined;
    return this.#producer.room();
  }

  async prepareCommit(): Promise<OpenTransaction[]> {
    this.#refreshTopics();
    const producer = this.#producer;
    if (this.#plan.delivery === 'none') return [];
    const transaction = producer.rotate();
    this.#flushing.add(transaction);
    await producer.flushed(transaction);
    this.#flushing.delete(transaction);
    const { transactionalId } = transaction;
    if (transactionalId === undefined) return [];
    transaction.step({ kind: 'flushed' });
    const { state } = transaction;
    if (state.kind !== 'prepared') return [];
    const { producerId, producerEpoch } = state;
    return [{ transactionalId, producerId, producerEpoch, written: transaction.written() }];
  }

  async close(): Promise<void> {
    const open = [...this.#flushing, this.#producer.current];
    this.#producer.close();
    this.#format?.close();
    await Promise.allSettled(open.map((transaction) => this.#abort(transaction)));
    await this.#client.close();
  }

  /** Soon, so that readers of committed records need not wait for the next start or the timeout. */
  async #abort(transaction: ProducerTransaction): Promise<void> {
    const { transactionalId, state } = transaction;
    transaction.step({ kind: 'close' });
    if (transactionalId === undefined || state.kind !== 'open') return;
    await fenceTransactionalId(this.#client, transactionalId, CLOSE_MS_MAX);
  }

  #append(topic: SinkTopic, record: T, timestampMs: number | undefined): boolean {
    const { key: keyOf, headers: headersOf, partitioner } = this.#plan;
    let key: KafkaBytes = null;
    let value: KafkaBytes;
    let headers: KafkaHeaders | undefined;
    if (keyOf !== undefined) key = this.#bytes('key', keyOf(record));
    if (topic.writeValue !== undefined) value = topic.writeValue(record as never);
    else if (this.#valueOf === undefined) value = this.#json(record);
    else value = this.#bytes('value', this.#valueOf(record));
    if (headersOf !== undefined) headers = this.#checkHeaders(headersOf(record));
    const lane =
      partitioner === undefined
        ? topic.laneOf(key)
        : topic.laneAt(partitioner(record, key, topic.partitions));
    return this.#producer.append(lane, this.#timestamp(record, timestampMs), key, value, headers);
  }

  #timestamp(record: T, timestampMs: number | undefined): number {
    const chosen = this.#plan.timestamp?.(record, timestampMs) ?? timestampMs;
    if (chosen === undefined || !(chosen >= 0)) return this.#context.world.clock.wallMs();
    return Math.trunc(chosen);
  }

  #bytes(part: string, bytes: KafkaBytes): KafkaBytes {
    if (typeof bytes === 'string' || bytes === null || bytes instanceof Uint8Array) return bytes;
    // `undefined` of a function whose type was not checked.
    throw cannotEncode(this.#context.uid, part, undefined);
  }

  #checkHeaders(headers: KafkaHeaders | undefined): KafkaHeaders | undefined {
    if (headers === undefined) return undefined;
    for (const value of Object.values(headers)) this.#bytes('headers', value);
    return headers;
  }

  #json(record: T): string {
    let text: unknown;
    try {
      text = JSON.stringify(record);
    } catch (cause) {
      throw cannotEncode(this.#context.uid, 'value', cause);
    }
    if (typeof text !== 'string') throw cannotEncode(this.#context.uid, 'value', undefined);
    return text;
  }

  #topicOf(record: T): SinkTopic | undefined {
    return this.#topics.get(this.#nameOf(record));
  }

  #nameOf(record: T): string {
    const { topic } = this.#plan;
    const name: unknown = typeof topic === 'string' ? topic : topic(record);
    if (!isTopicName(name)) throw badSinkOption('topic', name, 'a function that returns "orders"');
    return name;
  }

  async #writeToNewTopic(record: T, timestampMs: number | undefined): Promise<void> {
    const topic = await this.#loadTopic(this.#nameOf(record));
    if (this.#append(topic, record, timestampMs)) await this.#producer.room();
  }

  async #loadTopic(name: string): Promise<SinkTopic> {
    const topic = new SinkTopic(name, this.#context.world.random, (partition) =>
      this.#producer.lane(name, partition),
    );
    const { clock } = this.#context.world;
    const partitions = await this.#partitionsOf(name);
    topic.writeValue = await this.#format?.writerFor(name);
    topic.setPartitions(partitions, clock.monotonicMs());
    this.#topics.set(name, topic);
    return topic;
  }

  /** Waits for a topic that is just being made. @throws {EngineError} `KAF-007` */
  async #partitionsOf(name: string): Promise<number> {
    return this.#client.call({
      to: { kind: 'leader', topic: name, partition: 0 },
      doing: 'find a topic',
      giveUpAfterMs: TOPIC_MS_MAX,
      send: async () => {
        const [view] = await this.#client.metadata([name]);
        if (view === undefined || view.error !== undefined || view.partitions.length === 0) {
          throw refusal(view?.error ?? 'UNKNOWN_TOPIC_OR_PARTITION');
        }
        return view.partitions.length;
      },
    });
  }

  /** Partitions may have been added. */
  #refreshTopics(): void {
    const { clock } = this.#context.world;
    if (this.#isRefreshing) return;
    const nowMs = clock.monotonicMs();
    const old = [...this.#topics.values()].filter(
      (topic) => nowMs - topic.countedMs > TOPIC_AGE_MS_MAX,
    );
    if (old.length === 0) return;
    this.#isRefreshing = true;
    void this.#client
      .metadata(old.map(({ name }) => name))
      .then((views) => {
        for (const { name, partitions, error } of views) {
          const topic = this.#topics.get(name);
          if (error === undefined) topic?.setPartitions(partitions.length, clock.monotonicMs());
        }
      })
      // What is wrong shows when records are sent.
      .catch(() => undefined)
      .finally(() => {
        this.#isRefreshing = false;
      });
  }
}
