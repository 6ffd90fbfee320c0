/**
 * Goal: a job from Kafka to Kafka counts each record exactly once, seen by a reader of committed records at every
 * moment: its output is what a program without Tidemark computes, never more and never something else, and
 * in the end all of it, whatever was killed on the way: the job, its TaskManagers, the broker.
 * Method: the real command, from dist/, and a real broker. Keys are numbered within themselves, so that each
 * record says what its count must be. After each kill the whole topic is read.
 * Replay: SEED=<printed> npm run test:integration -- kafka-exactly-once. The seed gives the kills; what the
 * processes do meanwhile is the machine's.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Kafka, startKafka } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { type Random, randomInt } from '../../src/common/random.ts';
import { seededRandom } from '../../src/testing/simulation/seeded-random.ts';
import { drawnMoment, KafkaCounts } from '../support/kafka-counts.ts';
import { expectNothingOpen } from '../support/kafka-records.ts';
import { killIfThere } from '../support/kill-if-there.ts';
import { KafkaProxy } from '../support/kafka-proxy.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import type { NodeProcess } from '../support/tidemark-process.ts';

const RECORDS_PER_LIFE = 5_000;
const JOB_KILLS = 8;
const TASK_MANAGER_KILLS = 5;
const BROKER_KILLS = 3;
const END_TRANSACTION = 26;
const TEST_MS = 600_000;

let folder: string;
let kafka: Kafka;
let proxy: KafkaProxy;
let tests = 0;
const running: NodeProcess[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kafka-exactly-once-'));
  const properties = { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '500' };
  const listeners = { PROXIED: 'PLAINTEXT' };
  kafka = await startKafka({ folder: `${folder}/broker`, properties, listeners });
  // Who comes by the proxy is sent to the proxy again.
  proxy = await KafkaProxy.start(() => Number(kafka.listeners['PROXIED']?.split(':')[1]));
  await kafka.stop();
  const advertised = `PLAINTEXT://${kafka.bootstrap},PROXIED://${viaProxy()}`;
  kafka = await startKafka({
    folder: `${folder}/broker`,
    properties: { 'advertised.listeners': advertised },
  });
}, SERVICE_SETUP_MS);

function viaProxy(): string {
  return `127.0.0.1:${proxy.port}`;
}

afterEach(async () => {
  for (const job of running.splice(0)) await job.kill('SIGKILL');
});

afterAll(async () => {
  await kafka.stop();
  await proxy.close();
  removeFolder(folder);
});

async function makeCounts(): Promise<KafkaCounts> {
  return KafkaCounts.make(`counts${++tests}`, {
    folder,
    bootstrap: () => kafka.bootstrap,
    createTopic: (name, partitions) => kafka.createTopic(name, { partitions }),
    started: (job) => running.push(job),
  });
}

describe(`from Kafka to Kafka (SEED=${seed})`, () => {
  test(
    `exactly once, the whole job killed ${JOB_KILLS} times, at another parallelism each time`,
    async () => {
      const random = seededRandom(seed);
      const counts = await makeCounts();
      for (let kill = 1; kill <= JOB_KILLS; kill++) {
        await counts.write(RECORDS_PER_LIFE);
        const parallelism = 1 + randomInt(random, 3);
        const job = counts.start(parallelism);
        const moment = await drawnMoment(random, job);
        await job.kill('SIGKILL');
        await counts.expectPart(`SEED=${seed}, kill ${kill} of ${parallelism} ${moment}`);
      }
      const last = counts.start(2);
      await counts.expectAll(`SEED=${seed}`, last);
      // Cancelled, it leaves no transaction open that readers would wait for.
      await last.kill('SIGINT');
      await expectNothingOpen(kafka.bootstrap, counts.output);
    },
    TEST_MS,
  );

  test(
    `exactly once, ${TASK_MANAGER_KILLS} TaskManagers and ${BROKER_KILLS} times the broker killed`,
    async () => {
      const random = seededRandom(seed);
      const counts = await makeCounts();
      await counts.write(RECORDS_PER_LIFE);
      const job = counts.start(2, { engine: { 'taskmanager.numberOfTaskSlots': '1' } });
      for (let kill = 1; kill <= TASK_MANAGER_KILLS + BROKER_KILLS; kill++) {
        const moment = await drawnMoment(random, job);
        const what = `SEED=${seed}, kill ${kill} ${moment}`;
        if (kill % 3 === 0) {
          await kafka.kill();
          kafka = await startKafka({ folder: `${folder}/broker` });
        } else {
          killTaskManager(random, job);
        }
        await counts.expectPart(what);
        await counts.write(RECORDS_PER_LIFE);
      }
      await counts.expectAll(`SEED=${seed}`, job);
      await job.kill('SIGKILL');
    },
    TEST_MS,
  );

  test('at least once: nothing is missing', async () => {
    const random = seededRandom(seed);
    const counts = await makeCounts();
    const job = { delivery: 'at-least-once' };
    for (let kill = 1; kill <= 3; kill++) {
      await counts.write(RECORDS_PER_LIFE);
      const process_ = counts.start(2, { job });
      await drawnMoment(random, process_);
      await process_.kill('SIGKILL');
    }
    counts.start(1, { job });
    await counts.expectNothingMissing();
  });
});

describe('output that was lost', () => {
  test('fails the job, which says of which checkpoints', async () => {
    const counts = await makeCounts();
    await counts.write(RECORDS_PER_LIFE);
    const options = { job: { brokers: viaProxy(), transactionTimeoutMs: '11000' } };
    // No commit arrives: checkpoints are complete, their output is not committed.
    proxy.swallowed.add(END_TRANSACTION);
    const job = counts.start(1, options);
    const isSwallowed = (): boolean => proxy.swallows > 0 && job.count('checkpoint-completed') > 0;
    expect(await job.until(isSwallowed), JSON.stringify(job.events.slice(-3))).toBe(true);
    await job.kill('SIGKILL');
    proxy.swallowed.clear();
    expect(await counts.seen()).toEqual([]);
    // Here it is the timeout that ends it.
    await expectNothingOpen(kafka.bootstrap, counts.output);
    const ended = await counts.start(1, options).ended;
    expect(ended.code).not.toBe(0);
    expect(`${ended.stdout}${ended.stderr}`).toContain('CHK-010');
    expect(await counts.seen()).toEqual([]);
  });

  test('does not happen while the transaction lives: the next start commits it', async () => {
    const counts = await makeCounts();
    await counts.write(RECORDS_PER_LIFE);
    const options = { job: { brokers: viaProxy() } };
    proxy.swallowed.add(END_TRANSACTION);
    const before = proxy.swallows;
    const job = counts.start(2, options);
    expect(await job.until(() => proxy.swallows > before)).toBe(true);
    await job.kill('SIGKILL');
    expect(await counts.seen()).toEqual([]);
    proxy.swallowed.clear();
    const next = counts.start(1, options);
    await counts.expectAll('committed by the next start', next);
  });

  test('cannot happen by a timeout that is too short: the job does not start', async () => {
    const counts = await makeCounts();
    const job = counts.start(1, {
      job: { transactionTimeoutMs: '2000' },
      engine: { 'execution.checkpointing.interval': '10s' },
    });
    const ended = await job.ended;
    expect(ended.code).not.toBe(0);
    expect(`${ended.stdout}${ended.stderr}`).toContain('KAF-058');
    const high = counts.start(1, { job: { transactionTimeoutMs: '1000000' } });
    const refused = await high.ended;
    expect(refused.code).not.toBe(0);
    expect(`${refused.stdout}${refused.stderr}`).toContain('KAF-057');
  });
});

function killTaskManager(random: Random, job: NodeProcess): void {
  const alive = new Map<unknown, number>();
  for (const event of job.events.filter(({ kind }) => kind === 'task-manager')) {
    if (event['status'] === 'lost') alive.delete(event['id']);
    else if (event['spare'] !== true) alive.set(event['id'], Number(event['pid']));
  }
  const pids = [...alive.values()];
  const pid = pids[randomInt(random, pids.length)];
  killIfThere(pid);
}
