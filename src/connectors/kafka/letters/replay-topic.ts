/**
 * The topic of letters that enter their operators again: `<topic>-replay`. A record is a letter as it was, with its
 * id as the key and its event time as the timestamp.
 *
 * Always holds: no letter is in it twice. Each step takes the one transactional id of the topic first, which ends
 * whatever another command has open; reads on to the end, so that it knows all that was committed; and writes
 * what is not there in one transaction, which fails if a third command has taken the id since. A command that
 * dies leaves a transaction that the next one, or its timeout, aborts.
 */
import { sleep } from '../../../common/clock.ts';
import type { DeadLetter } from '../../../contracts/dead-letter.ts';
import { LetterIds } from '../../../contracts/letter-ids.ts';
import type { World } from '../../../contracts/source.ts';
import { apiErrorOf, refusal } from '../client/fault.ts';
import type { KafkaClient } from '../client/kafka-client.ts';
import { library } from '../client/library.ts';
import { takeTransactionalId } from '../sink/transaction-requests.ts';
import { anotherReplay, replaysGone } from './errors.ts';
import { LetterTransaction } from './letter-transaction.ts';
import type { TopicReader } from './topic-reader.ts';

/** A step takes seconds; the transaction of a command that died holds up readers for so long at most. */
const TRANSACTION_MS = 60_000;
const GIVE_UP_MS = 30_000;
const TRIES_MAX = 10;
const WAIT_MS = 200;
const REQUEST_MS = 30_000;
/** Nothing may go: what is not in it any more would be replayed again. */
const CONFIGS = [
  { name: 'cleanup.policy', value: 'delete' },
  { name: 'retention.ms', value: '-1' },
  { name: 'retention.bytes', value: '-1' },
  { name: 'message.timestamp.type', value: 'CreateTime' },
];
const FENCED =
  /^(PRODUCER_FENCED|INVALID_PRODUCER_EPOCH|INVALID_TXN_STATE|INVALID_PRODUCER_ID_MAPPING|TRANSACTIONAL_ID_NOT_FOUND|TRANSACTION_ABORTABLE)$/;

export function replayTopicOf(topic: string): string {
  return `${topic}-replay`;
}

export interface ReplayTopicOptions {
  readonly topic: string;
  readonly client: KafkaClient;
  readonly reader: TopicReader;
  readonly world: World;
  /** Of the topic, if it has to be made. */
  readonly newPartitions: () => Promise<number>;
}

export class ReplayTopic {
  readonly #options: ReplayTopicOptions;
  readonly #ids = new LetterIds();

  constructor(options: ReplayTopicOptions) {
    this.#options = options;
  }

  /** The ids of all letters in it. @throws {EngineError} `DLQ-010` (`invalid`) if some are gone. */
  async ids(): Promise<LetterIds> {
    const { reader, topic } = this.#options;
    const count = (await reader.partitions()) ?? 0;
    for (let partition = 0; partition < count; partition += 1) {
      const first = await reader.first(partition);
      if (first > 0) throw replaysGone(topic, partition, first);
    }
    for await (const { key } of reader.more()) if (key !== null) this.#ids.add(key);
    return this.#ids;
  }

  /**
   * @returns those that were not there.
   * @throws {EngineError} `DLQ-011` (`unavailable`) if other commands take the id each time.
   */
  async add(letters: readonly DeadLetter[]): Promise<readonly DeadLetter[]> {
    const { topic, world } = this.#options;
    const partitions = await this.#partitions();
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#try(letters, partitions);
      } catch (error) {
        if (!FENCED.test(apiErrorOf(error) ?? '')) throw error;
        if (tries === TRIES_MAX) throw anotherReplay(topic, error);
        await sleep(world.clock, world.random.next() * WAIT_MS * tries);
      }
    }
  }

  async #try(letters: readonly DeadLetter[], partitions: number): Promise<readonly DeadLetter[]> {
    const { topic, client } = this.#options;
    const transactionalId = `tidemark-dlq/${topic}`;
    const identity = await takeTransactionalId(client, {
      transactionalId,
      timeoutMs: TRANSACTION_MS,
      giveUpAfterMs: GIVE_UP_MS,
    });
    const ids = await this.ids();
    const left = letters.filter(({ id }) => !ids.has(id));
    if (left.length === 0) return [];
    const transaction = new LetterTransaction(client, { transactionalId, ...identity });
    await transaction.write(topic, partitions, left);
    await transaction.commit();
    return left;
  }

  /** Makes the topic if it is not there. */
  async #partitions(): Promise<number> {
    const { reader, client, topic, newPartitions } = this.#options;
    const there = await reader.partitions();
    if (there !== undefined) return there;
    const wanted = {
      name: topic,
      numPartitions: await newPartitions(),
      // The broker's default.
      replicationFactor: -1,
      assignments: [],
      configs: CONFIGS,
    };
    await client
      .call({
        to: { kind: 'any' },
        doing: 'make the topic of replays',
        send: (connection) =>
          library().createTopicsV7.api.async(connection, [wanted], REQUEST_MS, false),
      })
      .catch((error: unknown) => {
        if (apiErrorOf(error) !== 'TOPIC_ALREADY_EXISTS') throw error;
      });
    return client.call({
      to: { kind: 'any' },
      doing: 'find the topic of replays',
      send: async () => {
        const [view] = await client.metadata([topic]);
        const isReady = view?.error === undefined && view?.partitions.every((p) => p.leaderId >= 0);
        if (isReady === true && view !== undefined) return view.partitions.length;
        throw refusal(view?.error ?? 'LEADER_NOT_AVAILABLE');
      },
    });
  }
}
