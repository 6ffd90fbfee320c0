import { deepEqual, fail } from 'node:assert/strict';
import { Dispatcher } from '../../../src/cluster/dispatcher/dispatcher.ts';
import { DurableJobs } from '../../../src/cluster/dispatcher/durable-jobs.ts';
import { Leadership, type LedCluster } from '../../../src/cluster/leadership/leadership.ts';
import { openStore } from '../../../src/cluster/open-store.ts';
import { runJob } from '../../../src/cluster/run-job.ts';
import { sleep } from '../../../src/common/clock.ts';
import { deferred } from '../../../src/common/deferred.ts';
import { EngineError } from '../../../src/common/errors.ts';
import { randomInt } from '../../../src/common/random.ts';
import { readFinishedValues } from '../../../src/connectors/file/read-finished.ts';
import { Simulation, type SimulatedProcess } from '../../../src/testing/index.ts';
import { told } from './crash-sweep.ts';
import { EXPECTED, FLINK, jobOf, NAMES, SLOW, submission } from './service-jobs.ts';

const TIMINGS = { durationMs: 300, renewDeadlineMs: 200, intervalMs: 50 };
const MANAGERS = 2;
const FAULTS = 6;
const JOBS = [...NAMES, SLOW];
/** Without faults everything is over by then. */
const PEACE_MS = 60_000;

export interface StandbyRunOptions {
  readonly seed: string;
  /** Default: drawn. Whether a JobManager goes on when it hears that it leads no more. */
  readonly isDeaf?: boolean;
  readonly log?: (line: string) => void;
}

export interface StandbyRun {
  readonly story: readonly string[];
  readonly takeovers: number;
}

/**
 * Two JobManagers with all that they run, on one disk: one leads, one stands by, while a seed freezes,
 * blocks and kills whoever leads. Jobs are submitted to the one that leads. In the end each job's output is
 * that of a job to which nothing happened.
 *
 * @throws what is wrong, with the seed.
 */
export async function standbyRun(options: StandbyRunOptions): Promise<StandbyRun> {
  const run = new Run(options);
  try {
    return await run.run();
  } catch (error) {
    throw told(error, `SEED=${options.seed}\n  ${run.story.join('\n  ')}`);
  } finally {
    if (options.log !== undefined) run.simulation.log().forEach(options.log);
  }
}

interface Manager {
  readonly process: SimulatedProcess;
  readonly leadership: Leadership;
  /** Once it leads. */
  dispatcher?: Dispatcher;
}

class Run {
  readonly simulation: Simulation;
  readonly story: string[] = [];
  readonly #isDeaf: boolean;
  readonly #managers: (Manager | undefined)[] = Array.from({ length: MANAGERS });
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #accepted = new Set<string>();
  readonly #wrong = deferred<never>();
  #takeovers = 0;

  constructor({ seed, isDeaf, log }: StandbyRunOptions) {
    this.simulation = new Simulation({ seed, keepLog: log !== undefined });
    this.#isDeaf = isDeaf ?? this.simulation.random.next() < 0.4;
    if (this.#isDeaf) this.story.push('nobody hears that it leads no more');
  }

  async run(): Promise<StandbyRun> {
    const { simulation } = this;
    const whole = async (): Promise<void> => {
      for (let at = 0; at < MANAGERS; at += 1) this.#start(at);
      void this.#submitAll().catch(this.#wrong.reject);
      for (let count = 0; count < FAULTS; count += 1) await this.#fault();
      await this.#untilAllEnded();
    };
    await simulation.run(() => Promise.race([whole(), this.#wrong.promise]));
    for (const name of JOBS) deepEqual(await this.#output(name), EXPECTED, name);
    return { story: this.story, takeovers: this.#takeovers };
  }

  #start(at: number): void {
    const process = this.simulation.process(`manager-${at}`);
    this.#processes.set(process.id, process);
    const store = openStore('/ha', process, FLINK);
    const leadership = new Leadership({
      clock: process.clock,
      random: process.random,
      store,
      timings: TIMINGS,
      holder: {
        ...{ owner: process.id, pid: 0, processStart: process.id, pidSpace: 'here' },
        ...{ folder: '/', version: '0' },
      },
      isGone: ({ owner }) => this.#processes.get(owner)?.alive === false,
      onWon: (led) => {
        void this.#lead(manager, led).catch((error: unknown) => {
          if (error instanceof EngineError) this.#end(at, error.code);
          else this.#wrong.reject(error);
        });
      },
      onStandBy: () => undefined,
      onLost: (error) => {
        this.#tell(process, `leads no more: ${error instanceof EngineError ? error.code : ''}`);
        // A deaf one goes on for a while, with all its jobs.
        const afterMs = this.#isDeaf ? 2_000 : 0;
        this.simulation.clock.after(afterMs, () => {
          if (process.alive) this.#end(at, 'lost');
        });
      },
      onProblem: () => undefined,
    });
    const manager: Manager = { process, leadership };
    this.#managers[at] = manager;
    void process.start(async () => {
      leadership.start();
    });
  }

  async #lead(manager: Manager, leader: LedCluster): Promise<void> {
    const { process, leadership } = manager;
    this.#takeovers += 1;
    this.#tell(process, `leads, epoch ${leader.epoch}`);
    const store = openStore('/ha', process, FLINK);
    const jobs = new DurableJobs({ store, random: process.random, own: FLINK, leader });
    await jobs.takeOver();
    const dispatcher = new Dispatcher({
      world: process,
      jobs,
      leader,
      requireLeading: () => {
        if (!this.#isDeaf) leadership.requireHeld();
      },
      runner: {
        bundle: ({ module }) => Promise.resolve(Buffer.from(module)),
        check: () => fail('nothing is upgraded here'),
        run: ({ code, submission: { flink, from }, emit, admit, onLed, leader: under }) =>
          runJob({
            job: jobOf(Buffer.from(code).toString()).build(undefined, flink),
            world: process,
            dataFolder: '/data',
            from,
            allowNonRestoredState: false,
            emit,
            admit,
            onLed,
            leader: under,
            schedulingRandom: process.random.fork('scheduling'),
          }),
      },
      openStore: (url) => openStore(url, process, FLINK),
      config: FLINK,
      folder: '/service',
      log: ({ event }) => {
        if (event.kind === 'problem') this.#tell(process, `${event.what}: ${String(event.error)}`);
      },
    });
    await dispatcher.recover();
    manager.dispatcher = dispatcher;
  }

  /** As a client does that tries again until it is told that the job was accepted, or that it runs. */
  async #submitAll(): Promise<void> {
    const { clock, random } = this.simulation;
    for (const name of JOBS) {
      await sleep(clock, random.next() * 200);
      while (!this.#accepted.has(name)) {
        const manager = this.#managers.find((one) => one?.dispatcher !== undefined);
        if (manager !== undefined) await this.#submit(manager, name);
        await sleep(clock, 50);
      }
    }
  }

  /** Waits for the answer, or for the end of who was asked. */
  async #submit({ process, dispatcher }: Manager, name: string): Promise<void> {
    const { clock } = this.simulation;
    let answer: 'accepted' | 'refused' | 'unknown' | undefined;
    void process.start(async () => {
      try {
        await dispatcher?.submit(submission(name));
        answer = 'accepted';
      } catch (error) {
        this.#tell(process, `does not take ${name}: ${String(error)}`);
        const { code, kind } = error instanceof EngineError ? error : {};
        // An earlier try was accepted though its answer never came.
        if (code === 'JOB-031') answer = 'accepted';
        else answer = kind === 'fenced' ? 'unknown' : 'refused';
      }
    });
    while (answer === undefined && process.alive) await sleep(clock, 5);
    if (answer === 'accepted') this.#accepted.add(name);
    // Another one may have accepted it from this one: it may run already, or have ended.
    else if (answer !== 'refused') await this.#settle(name);
  }

  /** Looks until the job is over, or nobody knows it. */
  async #settle(name: string): Promise<void> {
    const { clock } = this.simulation;
    const endMs = clock.monotonicMs() + 5_000;
    while (clock.monotonicMs() < endMs) {
      const all = this.#managers.flatMap((one) => one?.dispatcher?.jobs() ?? []);
      if (all.some(({ jobName }) => jobName === name)) {
        this.#accepted.add(name);
        return;
      }
      if ((await this.#outputNow(name)).length === EXPECTED.length) {
        this.#accepted.add(name);
        return;
      }
      await sleep(clock, 20);
    }
  }

  async #fault(): Promise<void> {
    const { random, clock } = this.simulation;
    await sleep(clock, random.next() * 500);
    const leading = this.#managers.findIndex((one) => one?.leadership.isHeld === true);
    const at = leading >= 0 && random.next() < 0.8 ? leading : randomInt(random, MANAGERS);
    const manager = this.#managers[at];
    if (manager === undefined) return;
    const { process } = manager;
    const lastingMs = random.next() * 1_500;
    switch (randomInt(random, 5)) {
      case 0:
        this.#end(at, 'killed');
        return;
      case 1:
      case 2:
        this.#tell(process, `frozen for ${Math.round(lastingMs)}`);
        process.freeze();
        clock.after(lastingMs, () => {
          this.#tell(process, 'thawed');
          process.thaw();
        });
        return;
      case 3:
        this.#tell(process, `blocked for ${Math.round(lastingMs)}`);
        process.block(lastingMs);
        return;
      case 4:
        this.#tell(process, 'has another clock');
        process.jumpWallClock((random.next() - 0.5) * 1e8);
    }
  }

  /** Kills it, and starts another in its place after a while. */
  #end(at: number, why: string): void {
    const manager = this.#managers[at];
    if (manager === undefined) return;
    this.#tell(manager.process, `ends: ${why}`);
    this.#managers[at] = undefined;
    manager.process.kill();
    this.simulation.clock.after(50 + this.simulation.random.next() * 800, () => {
      this.#start(at);
    });
  }

  async #untilAllEnded(): Promise<void> {
    const { clock } = this.simulation;
    const endMs = clock.monotonicMs() + PEACE_MS;
    for (;;) {
      const leader = this.#managers.find((one) => one?.leadership.isHeld === true);
      const isIdle = leader?.dispatcher?.isBusy === false;
      if (this.#accepted.size === JOBS.length && isIdle) return;
      if (clock.monotonicMs() > endMs) fail('the jobs do not come to an end');
      await sleep(clock, 20);
    }
  }

  #outputNow(name: string): Promise<string[]> {
    const process = this.simulation.process('look');
    return process.start(async () => {
      const values = await readFinishedValues(process.fs, `/${name}`);
      return values.map((value) => JSON.stringify(value)).sort();
    });
  }

  #output(name: string): Promise<string[]> {
    return this.simulation.run(() => this.#outputNow(name));
  }

  #tell({ id }: SimulatedProcess, what: string): void {
    this.story.push(`${Math.round(this.simulation.nowMs)} ms ${id} ${what}`);
  }
}
