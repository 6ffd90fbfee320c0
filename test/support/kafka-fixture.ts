/** A broker and what tests do with it: write, and read through the source. For the tests of one file. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import {
  fromString,
  type KafkaEnumeratorState,
  kafkaSource,
  type KafkaSourceOptions,
  type KafkaSplit,
} from '../../src/connectors/kafka/kafka.ts';
import type { Source } from '../../src/contracts/source.ts';
import { type DrivenSnapshot, DrivenSource } from './driven-source.ts';
import { KafkaWriter } from './kafka-writer.ts';
import { removeFolder } from './remove-folder.ts';

export type TextOptions = Partial<KafkaSourceOptions<string>>;

type DrivenKafka<T> = DrivenSource<T, KafkaSplit, KafkaEnumeratorState>;

interface RunOptions {
  readonly parallelism?: number;
  readonly from?: DrivenSnapshot;
  /** Nothing is read before somebody sets it to false. */
  readonly paused?: boolean;
}

/** Call it at the head of a test file: the broker is there for its tests. */
export class KafkaFixture {
  #folder = '';
  #kafka: Kafka | undefined;
  #writer: KafkaWriter | undefined;
  readonly #running: { stop(): Promise<void> }[] = [];

  constructor() {
    beforeAll(async () => {
      this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kafka-source-'));
      this.#kafka = await startKafka({ folder: `${this.#folder}/broker` });
      this.#writer = await KafkaWriter.connect(this.#kafka.bootstrap);
    }, SERVICE_SETUP_MS);
    afterEach(async () => {
      for (const source of this.#running.splice(0)) await source.stop();
    });
    afterAll(async () => {
      await this.#writer?.close();
      await this.#kafka?.stop();
      removeFolder(this.#folder);
    });
  }

  get kafka(): Kafka {
    if (this.#kafka === undefined) throw new TypeError('no broker runs yet');
    return this.#kafka;
  }

  get writer(): KafkaWriter {
    if (this.#writer === undefined) throw new TypeError('no broker runs yet');
    return this.#writer;
  }

  /** Runs a source until the test is over. */
  async run<T>(
    source: Source<T, KafkaSplit, KafkaEnumeratorState>,
    { parallelism = 1, from, paused = false }: RunOptions = {},
  ): Promise<DrivenKafka<T>> {
    const driven = new DrivenSource(source, parallelism, from);
    driven.paused = paused;
    this.#running.push(driven);
    return driven.start();
  }

  /** Reads a topic's values as texts. */
  read(
    topic: string,
    options: TextOptions = {},
    more: RunOptions = {},
  ): Promise<DrivenKafka<string>> {
    const source = kafkaSource<string>({
      brokers: this.kafka.bootstrap,
      ...(options.topicPattern === undefined ? { topics: [topic] } : {}),
      deserializer: fromString(),
      ...options,
    });
    return this.run(source, more);
  }

  /** What a bounded source reads to its end. */
  async readAll(topic: string, options: TextOptions = {}): Promise<string[]> {
    const driven = await this.read(topic, { bounded: 'latest', ...options });
    await driven.until(() => driven.hasEnded);
    return driven.values;
  }
}

export function numbered(prefix: string, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${from + index}`);
}
