/**
 * A pair of topics and the job between them, which counts records by key: as keys are numbered within themselves, each
 * record says what its count must be, and what is seen can be judged at any moment.
 */
import { expect } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { type Random, randomInt } from '../../src/common/random.ts';
import { recordsOf } from './kafka-records.ts';
import { type Written, writeToCluster } from './kafka-writer.ts';
import { type NodeProcess, settings, startTidemark } from './tidemark-process.ts';

const PARTITIONS = 4;
const KEYS = 50;
const SETTLE_MS = 300_000;
/** More than any of these tests lasts: output must not be lost because a broker takes long to come back. */
const TRANSACTION_MS = 600_000;

/** Where it runs. */
interface CountsWorld {
  readonly folder: string;
  /** Brokers at this moment, with commas between them. */
  bootstrap(): string;
  createTopic(name: string, partitions: number): Promise<void>;
  /** Told of each job, so that the test can end it. */
  started(job: NodeProcess): void;
}

interface CountsOptions {
  readonly job?: Readonly<Record<string, string>>;
  readonly engine?: Readonly<Record<string, string>>;
}

export class KafkaCounts {
  readonly name: string;
  readonly #world: CountsWorld;
  #written = 0;

  private constructor(name: string, world: CountsWorld) {
    this.name = name;
    this.#world = world;
  }

  static async make(name: string, world: CountsWorld): Promise<KafkaCounts> {
    const counts = new KafkaCounts(name, world);
    await world.createTopic(counts.input, PARTITIONS);
    await world.createTopic(counts.output, PARTITIONS);
    return counts;
  }

  get input(): string {
    return `${this.name}-in`;
  }

  get output(): string {
    return `${this.name}-out`;
  }

  /** Each key's records are `key:0`, `key:1` and so on, in one partition. */
  async write(records: number): Promise<void> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const values: string[] = [];
      for (let n = this.#written; n < this.#written + records; n++) {
        const key = n % KEYS;
        if (key % PARTITIONS === partition) values.push(`${key}:${Math.floor(n / KEYS)}`);
      }
      const batch: Written = { topic: this.input, partition, values };
      await writeToCluster(this.#world.bootstrap(), batch);
    }
    this.#written += records;
  }

  start(parallelism: number, options: CountsOptions = {}): NodeProcess {
    const engine = {
      'execution.checkpointing.dir': `${this.#world.folder}/${this.name}/checkpoints`,
      'execution.checkpointing.interval': '150ms',
      'execution.checkpointing.min-pause': '0',
      'execution.checkpointing.timeout': '20s',
      // Who stands still for some seconds on a busy machine is not dead.
      'heartbeat.timeout': '60s',
      'execution.checkpointing.tolerable-failed-checkpoints': '100',
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.attempts': '1000',
      'restart-strategy.fixed-delay.delay': '50ms',
      ...options.engine,
    };
    const job = {
      brokers: this.#world.bootstrap(),
      input: this.input,
      output: this.output,
      transactionTimeoutMs: String(TRANSACTION_MS),
      ...options.job,
    };
    const args = Object.entries(job).flatMap(([name, value]) => [`--${name}`, value]);
    const process_ = startTidemark([
      ...['run', 'test/process/jobs/kafka-counts.ts', '--json', '-p', String(parallelism)],
      ...settings(engine),
      ...['--', ...args],
    ]);
    this.#world.started(process_);
    return process_;
  }

  async seen(): Promise<string[]> {
    const records = await recordsOf(this.#world.bootstrap(), this.output);
    return records.map(({ value }) => value ?? '');
  }

  /** All that is seen is right, and is there once. */
  async expectPart(what: string): Promise<number> {
    const seen = await this.seen();
    for (const one of seen) {
      const [value = '', count] = one.split('=');
      expect(Number(count), `${what}: ${one}`).toBe(Number(value.split(':')[1]) + 1);
    }
    expect(new Set(seen).size, `${what}: doubles`).toBe(seen.length);
    return seen.length;
  }

  async expectNothingMissing(): Promise<void> {
    const until = systemClock.monotonicMs() + SETTLE_MS;
    const values = async (): Promise<number> =>
      new Set((await this.seen()).map((one) => one.split('=')[0])).size;
    while ((await values()) < this.#written && systemClock.monotonicMs() < until) {
      await sleep(systemClock, 100);
    }
    expect(await values()).toBe(this.#written);
  }

  async expectAll(what: string, job: NodeProcess): Promise<void> {
    const until = systemClock.monotonicMs() + SETTLE_MS;
    while ((await this.seen()).length < this.#written && systemClock.monotonicMs() < until) {
      await sleep(systemClock, 100);
    }
    const seen = await this.expectPart(what);
    const failures = job.events.filter(({ kind }) => kind === 'failure');
    expect(seen, `${what}\n${JSON.stringify(failures.slice(-2))}`).toBe(this.#written);
  }
}

const CHECKPOINTS_MAX = 4;

/** A drawn moment in the life of a job that has just been started. */
export async function drawnMoment(random: Random, job: NodeProcess): Promise<string> {
  const before = job.count('checkpoint-completed');
  const checkpoints = 1 + randomInt(random, CHECKPOINTS_MAX);
  if (randomInt(random, 4) === 0) {
    expect(await job.until(() => job.count('starting') > 0)).toBe(true);
    return 'at its first event';
  }
  const come = await job.until(() => job.count('checkpoint-completed') >= before + checkpoints);
  expect(come, JSON.stringify(job.events.slice(-3))).toBe(true);
  const laterMs = randomInt(random, 150);
  await sleep(systemClock, laterMs);
  return `${laterMs} ms after its checkpoint ${checkpoints}`;
}
