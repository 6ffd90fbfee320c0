/*
 * Goal: each committed record of a topic is read once, whatever the topic holds: aborted transactions, batches
 * that begin before the offset, control batches, codecs, gaps.
 * Method: a real broker; the source is driven as tasks drive it. Records are written with the plainest requests
 * of the protocol, so that each test says which batches and transactions there are.
 * Needs: Java 17 or later and Maven; Kafka is fetched once.
 * Replay: npm run test:integration -- kafka-source
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { fromString, kafkaSource } from '../../src/connectors/kafka/kafka.ts';
import type { KafkaSourceOptions } from '../../src/connectors/kafka/kafka.ts';
import { DrivenSource, type DrivenSnapshot } from '../support/driven-source.ts';
import { KafkaWriter } from '../support/kafka-writer.ts';

let folder: string;
let kafka: Kafka;
let writer: KafkaWriter;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kafka-source-'));
  kafka = await startKafka({ folder: `${folder}/broker` });
  writer = await KafkaWriter.connect(kafka.bootstrap);
}, SERVICE_SETUP_MS);

afterAll(async () => {
  await writer.close();
  await kafka.stop();
  fs.rmSync(folder, { recursive: true });
});

afterEach(async () => {
  for (const source of running.splice(0)) await source.stop();
});

type Options = Partial<KafkaSourceOptions<string>>;

async function read(
  topic: string,
  options: Options = {},
  more: { readonly parallelism?: number; readonly from?: DrivenSnapshot } = {},
) {
  const source = kafkaSource<string>({
    brokers: kafka.bootstrap,
    ...(options.topicPattern === undefined ? { topics: [topic] } : {}),
    deserializer: fromString(),
    ...options,
  });
  const driven = new DrivenSource(source, more.parallelism ?? 1, more.from);
  running.push(driven);
  return driven.start();
}

/** What a bounded source reads to its end. */
async function readAll(topic: string, options: Options = {}): Promise<string[]> {
  const driven = await read(topic, { bounded: 'latest', ...options });
  await driven.until(() => driven.hasEnded);
  return driven.values;
}

const numbered = (prefix: string, count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${from + index}`);

describe('a topic', () => {
  it('is read in the order of its partitions, to where it ended at the start', async () => {
    await kafka.createTopic('plain', { partitions: 3 });
    for (let partition = 0; partition < 3; partition += 1) {
      for (const from of [0, 100]) {
        const values = numbered(`${partition}:`, 100, from);
        await writer.write({ topic: 'plain', partition, values });
      }
    }
    const values = await readAll('plain');
    for (const partition of ['0', '1', '2']) {
      const own = values.filter((value) => value.startsWith(partition));
      expect(own).toEqual(numbered(`${partition}:`, 200));
    }
    expect(values).toHaveLength(600);
  });
});
