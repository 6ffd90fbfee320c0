import os from 'node:os';
import type { Kafka } from '../../scripts/services/kafka.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { KafkaClient } from '../../src/connectors/kafka/client/kafka-client.ts';
import { listOffsetsV8 } from '@platformatic/kafka';
import { planKafkaSink } from '../../src/connectors/kafka/sink/sink-options.ts';
import { defaultWorld } from '../../src/cluster/run-job.ts';
import { cpuMicrosOf } from '../measure.ts';
import { BenchError } from '../flink/run.ts';

const LOOK_MS = 50;
const WAIT_MS_MAX = 120_000;
const LATEST = -1n;

export interface Rate {
  readonly recordsPerSecond: number;
  /** Cores that were busy meanwhile: all, and with the broker. */
  readonly busyCores: number;
  readonly brokerCores: number;
}

/**
 * How fast a topic grows, seen from the broker: from the moment when it holds `from` records to the one when
 * it holds `until`. The same for whoever writes it.
 */
export async function rateOf(
  { bootstrap: brokers, pid }: Kafka,
  topic: string,
  range: { readonly from: number; readonly until: number },
): Promise<Rate> {
  const plan = planKafkaSink({ brokers, topic, delivery: 'none' });
  const client = new KafkaClient({ access: plan.access, world: defaultWorld, clientId: 'bench' });
  try {
    const first = await reached(client, topic, range.from);
    const busy = { first: machineMs(), broker: cpuMicrosOf(pid) };
    const last = await reached(client, topic, range.until);
    const ms = last.atMs - first.atMs;
    return {
      recordsPerSecond: ((last.records - first.records) / ms) * 1_000,
      busyCores: (machineMs() - busy.first) / ms,
      brokerCores: (cpuMicrosOf(pid) - busy.broker) / 1_000 / ms,
    };
  } finally {
    await client.close();
  }
}

/** CPU time of all that runs on this machine. */
function machineMs(): number {
  return os.cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys, 0);
}

async function reached(
  client: KafkaClient,
  topic: string,
  wanted: number,
): Promise<{ readonly atMs: number; readonly records: number }> {
  const endMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const records = await recordsIn(client, topic);
    if (records >= wanted) return { atMs: performance.now(), records };
    if (performance.now() > endMs) throw new BenchError(`${topic} stays at ${records} records`);
    await sleep(systemClock, LOOK_MS);
  }
}

/** Of one broker, which leads all partitions. Markers of transactions count: a few each second. */
async function recordsIn(client: KafkaClient, topic: string): Promise<number> {
  const [view] = await client.metadata([topic]);
  const partitions = (view?.partitions ?? []).map(({ partition }) => ({
    partitionIndex: partition,
    currentLeaderEpoch: -1,
    timestamp: LATEST,
  }));
  const { topics } = await client.call({
    to: { kind: 'leader', topic, partition: 0 },
    doing: 'read offsets',
    send: (connection) => listOffsetsV8.api.async(connection, -1, 0, [{ name: topic, partitions }]),
  });
  return (topics[0]?.partitions ?? []).reduce((sum, { offset }) => sum + Number(offset), 0);
}
