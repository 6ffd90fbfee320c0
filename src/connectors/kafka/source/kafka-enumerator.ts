import type { Cancel } from '../../../common/clock.ts';
import { EngineError } from '../../../common/errors.ts';
import type { EnumeratorContext, SplitEnumerator } from '../../../contracts/source.ts';
import type { TopicView } from '../client/cluster-view.ts';
import { noSuchTopic } from '../client/errors.ts';
import type { KafkaClient } from '../client/kafka-client.ts';
import { noTopics } from './errors.ts';
import { type KafkaEnumeratorState, type KafkaSplit, splitIdOf } from './kafka-split.ts';
import { OffsetFinder } from './offsets.ts';
import type { KafkaSourceSettings } from './source-options.ts';
import { boundOf } from './split-bound.ts';

/** A topic that was made a moment ago is not known everywhere yet. */
const TOPIC_WAIT_MS = 5_000;

/**
 * Finds partitions, at the start and then again and again, and gives each to the subtask that owns
 * it. What the user asks for is turned into offsets here, once: a restored job must never look up "the
 * end" again.
 *
 * Partitions that appear later are read from their beginning, or records would be lost between their
 * creation and the look that finds them.
 */
export class KafkaEnumerator implements SplitEnumerator<KafkaEnumeratorState> {
  readonly #context: EnumeratorContext<KafkaSplit>;
  readonly #settings: KafkaSourceSettings;
  readonly #client: KafkaClient;
  readonly #offsets: OffsetFinder;
  readonly #known: Set<string>;
  #pending: KafkaSplit[];
  #started: boolean;
  /** For which end partitions were looked for last. */
  #bound: string | undefined;
  /** Whether it is known that nothing more comes. */
  #complete = false;
  readonly #readers = new Set<number>();
  #cancel: Cancel | undefined;
  #closed = false;

  constructor(
    context: EnumeratorContext<KafkaSplit>,
    settings: KafkaSourceSettings,
    client: KafkaClient,
    from: KafkaEnumeratorState | undefined,
  ) {
    this.#context = context;
    this.#settings = settings;
    this.#client = client;
    this.#offsets = new OffsetFinder(client, settings.isolation, settings.groupId);
    this.#known = new Set(from?.known);
    this.#pending = [...(from?.pending ?? [])];
    this.#started = from?.started ?? false;
    this.#bound = from?.bound;
  }

  async start(): Promise<void> {
    const { partitionDiscoveryIntervalMs, bounded } = this.#settings;
    const bound = boundOf(bounded);
    // A bounded job reads what was there when it began, and no more after a restart.
    const isBegun = this.#started && bound !== undefined && bound === this.#bound;
    if (!isBegun) await this.#discover();
    this.#bound = bound;
    this.#complete = bounded !== undefined || partitionDiscoveryIntervalMs === Infinity;
    this.#discoverLater();
    this.#serve();
  }

  /** Each reader asks once; what is found later is given to it without another request. */
  splitRequested(subtask: number): void {
    this.#readers.add(subtask);
    this.#serve();
    if (this.#complete) this.#context.noMoreSplits(subtask);
  }

  snapshot(): KafkaEnumeratorState {
    return {
      started: this.#started,
      known: [...this.#known],
      pending: [...this.#pending],
      bound: this.#bound,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#client.close();
  }

  async #discover(): Promise<void> {
    const topics = this.#started ? await this.#topics() : await this.#topicsAtStart();
    const fresh = topics.flatMap(({ name, topicId, partitions }) =>
      partitions
        .map(({ partition }) => ({ topic: name, partition, topicId }))
        .filter((one) => !this.#known.has(splitIdOf(one))),
    );
    const splits = await this.#placed(fresh);
    if (this.#closed) return;
    for (const split of splits) this.#known.add(splitIdOf(split));
    this.#pending.push(...splits);
    this.#started = true;
  }

  async #placed(fresh: readonly Omit<KafkaSplit, 'offset'>[]): Promise<KafkaSplit[]> {
    const { bounded, startFrom } = this.#settings;
    const from = this.#started ? 'earliest' : startFrom;
    const offsets = await this.#offsets.start(fresh, from);
    const stops = bounded === undefined ? [] : await this.#offsets.stop(fresh, bounded);
    return fresh.map((one, index) => {
      const stop = stops[index];
      const offset = offsets[index] ?? 0;
      const stopOffset = stop === undefined ? undefined : Math.max(stop, offset);
      return {
        ...one,
        offset,
        ...(stopOffset === undefined ? {} : { stopOffset, bound: boundOf(bounded) }),
        ...(from === 'earliest' ? { fromEarliest: true } : {}),
      };
    });
  }

  /** At the start each topic that was named must be there. */
  async #topicsAtStart(): Promise<TopicView[]> {
    const { topics, topicsMayBeAbsent = false } = this.#settings;
    if (topicsMayBeAbsent) return this.#topics();
    const backoff = this.#client.backoff(TOPIC_WAIT_MS);
    for (;;) {
      const found = await this.#topics();
      const missing = topics instanceof RegExp ? [] : topics.filter((name) => !has(found, name));
      if (found.length > 0 && missing.length === 0) return found;
      if (this.#closed || !(await backoff.wait())) {
        if (topics instanceof RegExp) throw noTopics(String(topics));
        throw noSuchTopic(missing.join());
      }
    }
  }

  async #topics(): Promise<TopicView[]> {
    const { topics } = this.#settings;
    if (!(topics instanceof RegExp)) {
      const views = await this.#client.metadata(topics);
      return views.filter(isThere);
    }
    const views = await this.#client.metadata(null);
    return views.filter((view) => isThere(view) && !view.isInternal && topics.test(view.name));
  }

  #discoverLater(): void {
    const { partitionDiscoveryIntervalMs } = this.#settings;
    if (this.#closed || this.#complete) return;
    this.#cancel = this.#context.world.clock.after(partitionDiscoveryIntervalMs, () => {
      this.#discover()
        .then(() => this.#serve())
        .catch((error: unknown) => {
          // Brokers that are away now may be there at the next look; the readers notice on their own.
          const isPassing = error instanceof EngineError && error.kind === 'unavailable';
          if (!isPassing && !this.#closed) this.#context.fail(error);
        })
        .finally(() => this.#discoverLater());
    });
  }

  #serve(): void {
    if (this.#closed) return;
    const waiting: KafkaSplit[] = [];
    for (const split of this.#pending) {
      const owner = ownerOf(split, this.#context.parallelism);
      if (this.#readers.has(owner)) this.#context.assign(split, owner);
      else waiting.push(split);
    }
    this.#pending = waiting;
  }
}

/**
 * As in Flink: the partitions of a topic go round the subtasks, from one that depends on the topic's name,
 * so that topics of one partition do not all meet in the first.
 */
export function ownerOf(split: { topic: string; partition: number }, parallelism: number): number {
  let hash = 0;
  for (let i = 0; i < split.topic.length; i += 1) {
    hash = (Math.imul(31, hash) + split.topic.charCodeAt(i)) | 0;
  }
  const first = (Math.imul(hash, 31) & 0x7fffffff) % parallelism;
  return (first + split.partition) % parallelism;
}

function has(topics: readonly TopicView[], name: string): boolean {
  return topics.some((topic) => topic.name === name);
}

function isThere({ error, partitions }: TopicView): boolean {
  return error === undefined && partitions.length > 0;
}
