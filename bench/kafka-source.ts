/**
 * How many records per second one reader takes out of a real broker, which works on the same cores: fetched,
 * decoded, and handed to a deserializer that looks at each value.
 *
 *     npm run bench -- kafka-source [records=2000000] [bytes=100] [codec=none|lz4|zstd|gzip|snappy] [as=length|string|json]
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { startKafka } from '../scripts/services/kafka.ts';
import { nextTurn, systemClock } from '../src/common/clock.ts';
import { nodeFileSystem } from '../src/common/node-file-system.ts';
import { systemRandom } from '../src/common/random.ts';
import {
  fromJson,
  fromString,
  type KafkaDeserializer,
  kafkaSource,
} from '../src/connectors/kafka/kafka.ts';
import type { SourceOutput } from '../src/contracts/source.ts';
import { KafkaWriter } from '../test/support/kafka-writer.ts';
import { cpuMicrosOf, ownCpuMicros } from './measure.ts';

const TOPIC = 'bench';
const PARTITIONS = 4;
const BATCH = 500;
const ROUNDS = 4;
/** As a task: it goes to the event loop after so long. */
const SLICE_MS = 2;
const POLL = 256;

const DESERIALIZERS: Readonly<Record<string, KafkaDeserializer<unknown>>> = {
  length: (record) => record.value?.length,
  string: fromString(),
  json: fromJson(z.object({ id: z.number(), text: z.string() })),
};

function valueOf(index: number, bytes: number): string {
  const start = `{"id":${index},"text":"`;
  return `${start}${'x'.repeat(Math.max(0, bytes - start.length - 2))}"}`;
}

async function fill(bootstrap: string, records: number, bytes: number): Promise<void> {
  const writer = await KafkaWriter.connect(bootstrap);
  let under: Promise<void>[] = [];
  for (let from = 0; from < records; from += BATCH) {
    const values = Array.from({ length: BATCH }, (_, index) => valueOf(from + index, bytes));
    under.push(writer.write({ topic: TOPIC, partition: (from / BATCH) % PARTITIONS, values }));
    if (under.length === 4) {
      await Promise.all(under);
      under = [];
    }
  }
  await Promise.all(under);
  await writer.close();
}

async function readOnce(
  brokers: string,
  deserializer: KafkaDeserializer<unknown>,
): Promise<number> {
  const source = kafkaSource({ brokers, topics: TOPIC, bounded: 'latest', deserializer });
  const world = { clock: systemClock, random: systemRandom, fs: nodeFileSystem };
  const context = {
    world,
    uid: 'bench',
    parallelism: 1,
    subtask: 0,
    requestSplit: () => undefined,
  };
  const reader = source.reader(context);
  const enumerator = source.enumerator(
    {
      ...context,
      assign: (split) => reader.addSplits([split]),
      noMoreSplits: () => reader.noMoreSplits(),
      fail: (error) => console.error(error),
    },
    undefined,
  );
  await enumerator.start();
  enumerator.splitRequested(0);
  await reader.start();
  let records = 0;
  const out: SourceOutput<unknown> = {
    emit: () => {
      records += 1;
      return true;
    },
    splitFinished: () => undefined,
  };
  for (;;) {
    const untilMs = performance.now() + SLICE_MS;
    let step = reader.poll(out, POLL);
    while (step === 'more' && performance.now() < untilMs) step = reader.poll(out, POLL);
    if (step === 'end') break;
    if (step === 'later') await reader.available();
    else await nextTurn(systemClock);
  }
  await Promise.all([reader.close(), enumerator.close()]);
  return records;
}

export async function kafkaSourceMain(args: readonly string[]): Promise<void> {
  const options = new Map(args.map((one) => [one.split('=')[0], one.split('=')[1]]));
  const records = Number(options.get('records') ?? 2_000_000);
  const bytes = Number(options.get('bytes') ?? 100);
  const codec = options.get('codec') ?? 'none';
  const deserializer = DESERIALIZERS[options.get('as') ?? 'length'] ?? fromString();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-bench-kafka-'));
  const kafka = await startKafka({ folder, jit: 'throughput', heap: '512m' });
  try {
    const configs = codec === 'none' ? {} : { 'compression.type': codec };
    await kafka.createTopic(TOPIC, { partitions: PARTITIONS, configs });
    await fill(kafka.bootstrap, records, bytes);
    for (let round = 0; round < ROUNDS; round += 1) {
      const [startMs, ownMicros] = [performance.now(), ownCpuMicros()];
      const brokerMicros = cpuMicrosOf(kafka.pid);
      const count = await readOnce(kafka.bootstrap, deserializer);
      const seconds = (performance.now() - startMs) / 1_000;
      const own = (ownCpuMicros() - ownMicros) / 1e6;
      const broker = (cpuMicrosOf(kafka.pid) - brokerMicros) / 1e6;
      console.log(
        `${count} records in ${seconds.toFixed(2)} s: ${Math.round(count / seconds)}/s; ` +
          `CPU ${own.toFixed(2)} s here, ${broker.toFixed(2)} s in the broker; ` +
          `${Math.round((own / count) * 1e9)} ns a record here`,
      );
    }
  } finally {
    await kafka.stop();
    fs.rmSync(folder, { recursive: true });
  }
}
