/**
 * From Kafka to Kafka, exactly once, with a checkpoint each second: the same job on Tidemark and on a real
 * Flink, in turns, from the same full topic on the same broker. What is measured is how fast the output
 * topic grows, which the broker says. README.md says more.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { runInCluster } from '../../src/cluster/run-in-cluster.ts';
import { defaultWorld } from '../../src/cluster/run-job.ts';
import { kafkaSink } from '../../src/connectors/kafka/kafka.ts';
import { parseSettings } from '../../src/settings/parse-settings.ts';
import { FlinkCluster } from '../flink/flink-cluster.ts';
import { KAFKA_COUNT } from '../flink/install.ts';
import { mix } from '../keyed-count-job.ts';
import { median } from '../measure.ts';
import { inputOf } from './kafka-count-job.ts';
import { type Rate, rateOf } from './topic-rate.ts';

const PARTITIONS = 4;
const INPUT = 'bench-in';
/** Of the records: what is written before is warming up. */
const FROM = 0.5;
const UNTIL = 0.95;

interface Load {
  readonly records: number;
  readonly keys: number;
  readonly parallelism: number;
  readonly rounds: number;
  readonly flink: boolean;
}

interface KafkaResult {
  readonly benchmark: 'kafka';
  readonly records: number;
  readonly parallelism: number;
  readonly tidemark: readonly Rate[];
  readonly flink: readonly Rate[];
  readonly flinkVersion: string | undefined;
  /** Tidemark by Flink, records per second; medians. */
  readonly ratio: number | undefined;
}

async function fill(kafka: Kafka, { records, keys }: Load): Promise<void> {
  await kafka.createTopic(INPUT, { partitions: PARTITIONS });
  const sink = kafkaSink<string>({
    brokers: kafka.bootstrap,
    topic: INPUT,
    value: (text) => text,
    delivery: 'at-least-once',
  });
  const context = {
    world: defaultWorld,
    uid: 'fill',
    subtask: 0,
    parallelism: 1,
    writerId: 'fill',
  };
  const writer = sink.writer(context);
  await writer.open?.();
  const startMs = performance.now();
  for (let n = 0; n < records; n++) await writer.write(inputOf(mix(n) % keys), undefined);
  await writer.prepareCommit(1, 'end');
  await writer.close();
  const seconds = (performance.now() - startMs) / 1_000;
  console.error(`setup: ${records} records written, ${Math.round(records / seconds)} each second`);
}

async function onTidemark(kafka: Kafka, load: Load, output: string): Promise<Rate> {
  const folder = await mkdtemp(path.join(tmpdir(), 'kafka-count-'));
  const flink = parseSettings({
    env: {},
    dynamic: {
      'execution.checkpointing.interval': '1 s',
      'execution.checkpointing.min-pause': '0 s',
      'parallelism.default': String(load.parallelism),
      'slotmanager.redundant-taskmanager-num': '0',
    },
  });
  let failure: unknown;
  const running = await runInCluster({
    world: defaultWorld,
    module: new URL('kafka-count-job.ts', import.meta.url).href,
    arguments: ['--brokers', kafka.bootstrap, '--input', INPUT, '--output', output],
    folder,
    dataFolder: folder,
    from: { kind: 'fresh' },
    allowNonRestoredState: false,
    flink,
    debugCodegen: (process.env['TIDEMARK_DEBUG'] ?? '').includes('codegen'),
    emit: (event) => {
      if (event.kind === 'failure') failure = event.error;
    },
  });
  try {
    return await measured(kafka, load, output);
  } finally {
    running.cancel();
    await running.done;
    await rm(folder, { recursive: true, force: true });
    if (failure !== undefined) console.error(failure);
  }
}

async function onFlink(
  cluster: FlinkCluster,
  kafka: Kafka,
  load: Load,
  output: string,
): Promise<Rate> {
  const { parallelism } = load;
  const args = [kafka.bootstrap, INPUT, output];
  const jobId = await cluster.start(KAFKA_COUNT.mainClass, args, parallelism);
  try {
    return await measured(kafka, load, output);
  } finally {
    await cluster.cancel(jobId);
  }
}

function measured(kafka: Kafka, { records }: Load, output: string): Promise<Rate> {
  return rateOf(kafka, output, { from: records * FROM, until: records * UNTIL });
}

async function rounds(kafka: Kafka, load: Load): Promise<KafkaResult> {
  const cluster = load.flink ? await FlinkCluster.launch(KAFKA_COUNT) : undefined;
  const tidemark: Rate[] = [];
  const flink: Rate[] = [];
  const told = (name: string, round: number, rate: Rate): Rate => {
    console.error(`round ${round + 1}: ${name} ${Math.round(rate.recordsPerSecond)}`);
    return rate;
  };
  try {
    for (let round = 0; round < load.rounds; round++) {
      const outputs = [`bench-t${round}`, `bench-f${round}`] as const;
      for (const output of outputs) await kafka.createTopic(output, { partitions: PARTITIONS });
      tidemark.push(told('Tidemark', round, await onTidemark(kafka, load, outputs[0])));
      if (cluster === undefined) continue;
      flink.push(told('Flink', round, await onFlink(cluster, kafka, load, outputs[1])));
    }
  } finally {
    await cluster?.stop();
  }
  const { records, parallelism } = load;
  return {
    benchmark: 'kafka',
    records,
    parallelism,
    tidemark,
    flink,
    flinkVersion: cluster?.version,
    ratio: cluster === undefined ? undefined : medianOf(tidemark) / medianOf(flink),
  };
}

function medianOf(rates: readonly Rate[], field: keyof Rate = 'recordsPerSecond'): number {
  return median(rates.map((rate) => rate[field]));
}

function print({ tidemark, flink, ratio }: KafkaResult): void {
  const line = (name: string, rates: readonly Rate[]): void => {
    const all = rates.map((rate) => Math.round(rate.recordsPerSecond / 1_000)).join(' ');
    const cores = (field: 'busyCores' | 'brokerCores') => medianOf(rates, field).toFixed(2);
    console.log(
      `${name.padEnd(10)}${Math.round(medianOf(rates) / 1_000)} k records/s   (${all})   ` +
        `${cores('busyCores')} cores busy, ${cores('brokerCores')} of them with the broker`,
    );
  };
  line('tidemark', tidemark);
  if (ratio === undefined) return;
  line('Flink', flink);
  console.log(`${'ratio'.padEnd(10)}${ratio.toFixed(2)}`);
}

/** @param args What stands behind `kafka` on the command line. */
export async function kafkaMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      records: { type: 'string', default: '6000000' },
      keys: { type: 'string', default: '100000' },
      parallelism: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      'no-flink': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const load: Load = {
    records: Number(values.records),
    keys: Number(values.keys),
    parallelism: Number(values.parallelism),
    rounds: Number(values.rounds),
    flink: !values['no-flink'],
  };
  const folder = await mkdtemp(path.join(tmpdir(), 'kafka-bench-'));
  const kafka = await startKafka({ folder, heap: '1g', jit: 'throughput' });
  try {
    await fill(kafka, load);
    const result = await rounds(kafka, load);
    if (values.json) console.log(JSON.stringify(result));
    else print(result);
  } finally {
    await kafka.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
