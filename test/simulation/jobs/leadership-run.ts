import { fail } from 'node:assert/strict';
import type { JobSubmission } from '../../../src/cluster/dispatcher/cluster.ts';
import { DurableJobs } from '../../../src/cluster/dispatcher/durable-jobs.ts';
import {
  INDEX_PATH,
  readJobIndex,
  type JobIndex,
} from '../../../src/cluster/dispatcher/job-index.ts';
import { Leadership, type LedCluster } from '../../../src/cluster/leadership/leadership.ts';
import type { LeaseTimings } from '../../../src/cluster/leadership/lease-machine.ts';
import { sleep } from '../../../src/common/clock.ts';
import { deferred } from '../../../src/common/deferred.ts';
import { EngineError } from '../../../src/common/errors.ts';
import { randomHex, randomInt } from '../../../src/common/random.ts';
import { parseSettings } from '../../../src/settings/parse-settings.ts';
import { MemoryBlobStore } from '../../../src/storage/memory-blob-store.ts';
import { Simulation, type SimulatedProcess } from '../../../src/testing/index.ts';
import { told } from './crash-sweep.ts';
import { DistantBlobStore, type Line } from './distant-blob-store.ts';

const FLINK = parseSettings({ env: {}, cores: 1, dynamic: {} });
const TIMINGS: LeaseTimings = { durationMs: 3_000, renewDeadlineMs: 2_000, intervalMs: 500 };
/** How long the seed's faults go on. */
const FAULTS_MS = 40_000;
/** In peace somebody leads after at most so long. */
const PEACE_MS = 15_000;
const JOBS_KEPT = 3;

export interface LeadershipRun {
  readonly story: readonly string[];
  /** How often the leadership changed. */
  readonly epochs: number;
  /** Changes of the store of jobs that were done. */
  readonly commits: number;
}

export interface LeadershipRunOptions {
  readonly seed: string;
  /** Instead of the usual ones: to see that wrong ones are found. */
  readonly timings?: LeaseTimings;
  /** Default: drawn. */
  readonly kind?: (typeof LEADER_KINDS)[number];
  readonly log?: (line: string) => void;
}

/**
 * JobManagers that compete for a lease over a storage that loses, delays and repeats nothing but their
 * patience, while a seed freezes, blocks and kills them, cuts them off, and sets their clocks. Whoever leads
 * submits and ends jobs all the time.
 *
 * Held at each moment: at most one may act as leader by its own clock, where they stop by themselves. Of the
 * store of jobs: epochs never fall, each has one writer, and nothing that the index names was removed by
 * whoever led before.
 *
 * @throws what is wrong, with the seed.
 */
export async function leadershipRun(options: LeadershipRunOptions): Promise<LeadershipRun> {
  const { log } = options;
  const run = new Run(options);
  try {
    return await run.run();
  } catch (error) {
    throw told(error, `SEED=${options.seed}\n  ${run.story.join('\n  ')}`);
  } finally {
    if (log !== undefined) run.simulation.log().forEach(log);
  }
}

/** `patient` ones never stop by themselves; `deaf` ones go on though they were told that they lead no more. */
const LEADER_KINDS = ['punctual', 'patient', 'deaf'] as const;

interface Candidate {
  readonly process: SimulatedProcess;
  readonly line: Line;
  readonly leadership: Leadership;
}

class Run {
  readonly simulation: Simulation;
  readonly story: string[] = [];
  readonly #timings: LeaseTimings;
  readonly #server: MemoryBlobStore;
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #candidates: (Candidate | undefined)[];
  #epoch = 0;
  /** Who leads in which epoch. */
  readonly #owners = new Map<number, string>();
  readonly #kind: (typeof LEADER_KINDS)[number];
  #epochs = 0;
  #commits = 0;
  #isPeace = false;
  /** Rejects with what is wrong. */
  readonly #wrong = deferred<never>();

  constructor({ seed, timings = TIMINGS, kind, log }: LeadershipRunOptions) {
    this.simulation = new Simulation({ seed, keepLog: log !== undefined });
    this.#kind =
      kind ?? LEADER_KINDS[randomInt(this.simulation.random, LEADER_KINDS.length)] ?? 'punctual';
    this.story.push(this.#kind);
    // Those without standbys wait for a storage that does not answer.
    this.#timings = this.#kind === 'patient' ? { ...timings, renewDeadlineMs: Infinity } : timings;
    this.#server = new MemoryBlobStore(this.simulation.clock);
    this.#candidates = Array.from({ length: 2 + randomInt(this.simulation.random, 3) });
  }

  async run(): Promise<LeadershipRun> {
    const { clock } = this.simulation;
    const whole = async (): Promise<void> => {
      this.#watch();
      this.#candidates.forEach((_, at) => {
        this.#start(at);
      });
      while (clock.monotonicMs() < FAULTS_MS) await this.#fault();
      await this.#peace();
    };
    await this.simulation.run(() => Promise.race([whole(), this.#wrong.promise]));
    return { story: this.story, epochs: this.#epochs, commits: this.#commits };
  }

  /** What must hold at each moment. */
  #watch(): void {
    if (this.#kind === 'patient') return;
    const believers = this.#candidates.filter((one) => one?.leadership.isHeld === true);
    if (believers.length > 1) {
      fail(`${believers.map((one) => one?.process.id).join(' and ')} lead at once`);
    }
    this.simulation.clock.after(1, () => {
      this.#watch();
    });
  }

  #start(at: number): void {
    const { simulation } = this;
    const process = simulation.process(`manager-${at}`);
    this.#processes.set(process.id, process);
    const loss = this.#isPeace ? 0 : simulation.random.next() * 0.05;
    const line = { isCut: false, latencyMs: 1 + simulation.random.next() * 60, loss };
    const store = new DistantBlobStore(this.#server, simulation, { process, line }, (path) => {
      if (path === INDEX_PATH) this.#committed(process.id).catch(this.#wrong.reject);
    });
    const leadership = new Leadership({
      clock: process.clock,
      random: process.random,
      store,
      timings: this.#timings,
      holder: {
        ...{ owner: process.id, pid: 0, processStart: process.id, pidSpace: 'here' },
        ...{ folder: '/', version: '0' },
      },
      // Every other pair of machines; elsewhere nobody can tell.
      isGone: ({ owner }) => at % 2 === 0 && this.#processes.get(owner)?.alive === false,
      onWon: (led) => {
        void this.#lead({ process, line, leadership }, store, led).catch((error: unknown) => {
          // Fenced, or its storage is gone: as a service does, it ends.
          if (error instanceof EngineError) this.#end(at, error.code);
          else this.#wrong.reject(error);
        });
      },
      onStandBy: () => undefined,
      onLost: (error) => {
        if (this.#kind === 'deaf') this.story.push(`${this.#now()} ${process.id} does not hear`);
        else this.#end(at, error instanceof EngineError ? error.code : 'lost');
      },
      onProblem: () => undefined,
    });
    this.#candidates[at] = { process, line, leadership };
    void process.start(async () => {
      leadership.start();
    });
  }

  /** The process ends, and is started again a little later, as a service manager does. */
  #end(at: number, why: string): void {
    const candidate = this.#candidates[at];
    if (candidate === undefined) return;
    this.story.push(`${this.#now()} ${candidate.process.id} ends: ${why}`);
    this.#candidates[at] = undefined;
    candidate.process.exit(75);
    this.simulation.clock.after(100 + this.simulation.random.next() * 2_000, () => {
      this.#start(at);
    });
  }

  /** What a leader does: jobs come and go. */
  async #lead(
    { process, leadership }: Candidate,
    store: DistantBlobStore,
    leader: LedCluster,
  ): Promise<void> {
    this.story.push(`${this.#now()} ${process.id} leads, epoch ${leader.epoch}`);
    const { random, clock } = process;
    const jobs = new DurableJobs({ store, random, own: FLINK, leader });
    await insist(process, () => jobs.takeOver());
    const { problems, jobs: found } = await insist(process, () => jobs.list());
    if (problems.length > 0) fail(`what the index names is gone: ${String(problems[0])}`);
    for (const job of found) await insist(process, () => jobs.bundle(job));
    await insist(process, () => jobs.sweep());
    const kept = found.map(({ submissionId }) => submissionId);
    for (;;) {
      if (this.#kind !== 'deaf' && random.next() < 0.5) leadership.requireHeld();
      const submissionId = randomHex(random, 32);
      // Jobs may have the same code, of this leader and of others.
      const code = Buffer.from(`code ${randomInt(random, 3)}`);
      kept.push(submissionId);
      try {
        await jobs.add({ submissionId, submission: SUBMISSION, atMs: 0 }, code);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        await insist(process, () => jobs.remove(submissionId));
        kept.pop();
      }
      while (kept.length > JOBS_KEPT) {
        const oldest = kept.shift() ?? '';
        await insist(process, () => jobs.remove(oldest));
      }
      await sleep(clock, random.next() * 400);
    }
  }

  /** At the server, when the index has changed. */
  async #committed(writer: string): Promise<void> {
    const index = (await readJobIndex(this.#server))?.index;
    if (index === undefined) fail('the index is gone');
    this.#commits += 1;
    const { epoch } = index.leader;
    const owner = this.#owners.get(epoch) ?? writer;
    this.#owners.set(epoch, owner);
    if (owner !== writer) fail(`${writer} has changed the jobs of ${owner}`);
    if (epoch < this.#epoch) fail(`epoch ${epoch} has changed the jobs after epoch ${this.#epoch}`);
    if (epoch > this.#epoch) this.#epochs += 1;
    this.#epoch = epoch;
    await this.#requireWhole(index);
  }

  async #requireWhole({ jobs }: JobIndex): Promise<void> {
    for (const { files } of jobs) {
      for (const path of [`job-store/jobs/${files}`, `job-store/bundles/${files}`]) {
        if ((await this.#server.read(path)) === undefined) fail(`${path} is gone`);
      }
    }
  }

  async #fault(): Promise<void> {
    const { simulation } = this;
    const { random, clock } = simulation;
    await sleep(clock, random.next() * 1_500);
    const at = randomInt(random, this.#candidates.length);
    // Mostly the one that leads: nothing happens to a cluster without it.
    const leading = this.#candidates.findIndex((one) => one?.leadership.isHeld === true);
    const hit = random.next() < 0.6 && leading >= 0 ? leading : at;
    const candidate = this.#candidates[hit];
    if (candidate === undefined) return;
    const { process, line } = candidate;
    const lastingMs = random.next() * (random.next() < 0.5 ? 1_000 : 6_000);
    const tell = (what: string): void => {
      this.story.push(`${this.#now()} ${process.id} ${what}`);
    };
    switch (randomInt(random, 7)) {
      case 0:
        tell('killed');
        process.kill();
        this.#end(hit, 'killed');
        return;
      case 1:
      case 2:
        tell(`frozen for ${Math.round(lastingMs)}`);
        process.freeze();
        clock.after(lastingMs, () => {
          process.thaw();
        });
        return;
      case 3:
        tell(`blocked for ${Math.round(lastingMs)}`);
        process.block(lastingMs);
        return;
      case 4:
        tell(`cut off for ${Math.round(lastingMs)}`);
        line.isCut = true;
        clock.after(lastingMs, () => {
          line.isCut = false;
        });
        return;
      case 5:
        tell('has another clock');
        process.jumpWallClock((random.next() - 0.5) * 1e8);
        return;
      case 6:
        tell(`is far away for ${Math.round(lastingMs)}`);
        line.latencyMs *= 15;
        clock.after(lastingMs, () => {
          line.latencyMs /= 15;
        });
    }
  }

  async #peace(): Promise<void> {
    const { clock } = this.simulation;
    this.#isPeace = true;
    await sleep(clock, 6_000);
    for (const one of this.#candidates) if (one !== undefined) one.line.loss = 0;
    const endMs = clock.monotonicMs() + PEACE_MS;
    const before = this.#commits;
    while (this.#commits === before) {
      if (clock.monotonicMs() > endMs) fail('nobody leads though nothing hinders');
      await sleep(clock, 10);
    }
  }

  #now(): string {
    return `${Math.round(this.simulation.nowMs)} ms`;
  }
}

const SUBMISSION: JobSubmission = {
  module: 'job',
  arguments: [],
  flink: FLINK,
  from: { kind: 'resume' },
  allowNonRestoredState: false,
  folder: '/',
};

/** Again and again while the storage does not answer. */
async function insist<T>({ clock }: SimulatedProcess, act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await sleep(clock, 50);
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof EngineError && error.kind === 'unavailable';
}
