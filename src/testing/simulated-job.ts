import type { JobDefinition } from '../api/job-definition.ts';
import type { TriggerOutcome } from '../checkpoint/coordinator-types.ts';
import { readHead, readRetained } from '../checkpoint/head.ts';
import { readHandle } from '../checkpoint/handle-reader.ts';
import { readNameRecord, type NameRecord } from '../checkpoint/name-record.ts';
import type { SnapshotMetadata } from '../checkpoint/metadata.ts';
import { EngineError } from '../common/errors.ts';
import type { JobEvent, JobResult } from '../cluster/job-events.ts';
import type { JobMaster } from '../cluster/job-master.ts';
import type { StartFrom } from '../cluster/start-from.ts';
import type { RunningJob } from '../cluster/lead-job.ts';
import { runJob } from '../cluster/run-job.ts';
import { parseSettings } from '../settings/parse-settings.ts';
import { readKeyedRuns, type KeyedEntry } from '../state/read-keyed-runs.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { FileBlobStore } from '../storage/file-blob-store.ts';
import { runSimulatedCluster, type SimulatedClusterOptions } from './simulated-cluster.ts';
import type { SimulatedProcess, SimulatedWorld } from './simulation/simulated-process.ts';
import { Simulation, type RunBounds, type SimulationOptions } from './simulation/simulation.ts';

/** Where the simulated machine keeps the job's checkpoints. */
export const CHECKPOINTS = '/checkpoints';

/** A job, or what makes it for the process that runs it: with its clock, for functions that wait. */
export type SimulatedJobGiven =
  JobDefinition<undefined> | ((world: SimulatedWorld) => JobDefinition<undefined>);

/** The simulation's options, and what stands between the job and its storage. */
export interface SimulatedJobOptions extends SimulationOptions {
  /** Puts something between the job and its checkpoints, such as planted bugs. */
  readonly wrapStore?: (store: BlobStore) => BlobStore;
  /** Runs the job under a JobManager with TaskManagers in processes of their own. Default: in one process. */
  readonly cluster?: SimulatedClusterOptions;
}

/** How a job is submitted to the simulated machine. */
export interface SubmitOptions {
  /** Default 1. */
  readonly parallelism?: number;
  /** Engine settings by Flink's keys, above the defaults of a simulation. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: the resume rule. */
  readonly from?: StartFrom;
  readonly allowNonRestoredState?: boolean;
  /** Freezes emitted values and sends them through bytes. Default true. */
  readonly checkMode?: boolean;
  /** Keeps the checkpoints of a job that finishes, to look into them. Default true. */
  readonly keepCheckpoints?: boolean;
  /** Instead of what the machine's options say. */
  readonly cluster?: SimulatedClusterOptions;
}

/** What became of one submission: the job's result, or the death of its process. */
export type Outcome =
  { readonly kind: 'ended'; readonly result: JobResult } | { readonly kind: 'died' };

/** Short times, since virtual time is free, and many checkpoints, since they are what is tested. */
const SETTINGS: Readonly<Record<string, string>> = {
  'execution.checkpointing.interval': '20 ms',
  'execution.checkpointing.min-pause': '0 ms',
  'execution.checkpointing.timeout': '10 s',
  'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ON_CANCELLATION',
  'restart-strategy.type': 'fixed-delay',
  'restart-strategy.fixed-delay.attempts': '3',
  'restart-strategy.fixed-delay.delay': '10 ms',
};

/**
 * A job on a simulated machine: submitted, killed, submitted again, always from one seed.
 *
 * ```ts
 * const machine = new SimulatedJob({ seed: 7 });
 * await machine.submit(job, { parallelism: 2 });
 * expect(await machine.runToEnd()).toMatchObject({ status: 'FINISHED' });
 * expect(await machine.jsonLines('/out')).toEqual(expected);
 * ```
 */
export class SimulatedJob {
  /** The machine: its clock, its disk, its trace. */
  readonly simulation: Simulation;
  /** What happened to the job so far, over all processes. */
  readonly events: JobEvent[] = [];
  #process: SimulatedProcess | undefined;
  #running: RunningJob | undefined;
  #ended: Promise<Outcome> | undefined;
  #jobName = '';
  #abandon: () => void = () => undefined;
  readonly #wrapStore: (store: BlobStore) => BlobStore;
  readonly #cluster: SimulatedClusterOptions | undefined;

  constructor(options: SimulatedJobOptions) {
    this.simulation = new Simulation(options);
    this.#cluster = options.cluster;
    this.#wrapStore = options.wrapStore ?? ((store) => store);
  }

  /** The job in the living process, for requests (savepoints, cancel). @internal */
  get running(): RunningJob {
    if (this.#running !== undefined) return this.#running;
    throw new EngineError('TST-010', 'invalid', 'no job runs in this simulation', {
      hint: 'Call submit first, and await it.',
    });
  }

  /**
   * Starts the job in a new process. Resolves when it is deployed, or the process has died.
   *
   * @throws {EngineError} what keeps the job from starting; its process is then gone.
   */
  async submit(job: SimulatedJobGiven, options: SubmitOptions = {}): Promise<void> {
    const process = this.simulation.process('job');
    this.#process = process;
    this.#running = undefined;
    const died = new Promise<Outcome>((resolve) => {
      const isGone = (): void => {
        resolve({ kind: 'died' });
      };
      process.onKill(isGone);
      this.#abandon = isGone;
    });
    const started = process.start(() => this.#start(job, options, process));
    const ended = started.then(async (running): Promise<Outcome> => {
      this.#running = running;
      return { kind: 'ended', result: await running.done };
    });
    this.#ended = Promise.race([ended, died]);
    this.#ended.catch(() => undefined);
    try {
      await this.simulation.run(Promise.race([started, died]));
    } catch (error) {
      process.kill();
      throw error;
    }
  }

  /**
   * What an operator does after a crash: submits the job again, unless its last run has ended, since
   * then that would be a new run. Undefined in that case.
   *
   * @throws {EngineError} what keeps the job from starting.
   */
  async recover(job: SimulatedJobGiven, options: SubmitOptions = {}): Promise<Outcome | undefined> {
    if (await this.isOver()) return undefined;
    await this.submit(job, options);
    return this.outcome();
  }

  async #start(
    given: SimulatedJobGiven,
    options: SubmitOptions,
    process: SimulatedProcess,
  ): Promise<RunningJob> {
    const job = typeof given === 'function' ? given(process) : given;
    this.#jobName = job.name;
    const dynamic = {
      ...SETTINGS,
      'parallelism.default': String(options.parallelism ?? 1),
      ...options.settings,
    };
    const flink = parseSettings({ env: {}, dynamic, cores: 1 });
    const store = new FileBlobStore(process.fs, CHECKPOINTS, process.random.fork('store'));
    const common = {
      dataFolder: '/data',
      store: this.#wrapStore(store),
      from: options.from ?? { kind: 'resume' as const },
      allowNonRestoredState: options.allowNonRestoredState ?? false,
      checkMode: options.checkMode ?? true,
      keepCheckpoints: options.keepCheckpoints ?? true,
      emit: (event: JobEvent) => {
        this.events.push(event);
        this.simulation.trace(`event ${event.kind}`);
      },
    };
    const cluster = options.cluster ?? this.#cluster;
    if (cluster !== undefined) {
      const { simulation } = this;
      return runSimulatedCluster({ ...common, simulation, process, job: given, flink, cluster });
    }
    const schedulingRandom = process.random.fork('scheduling');
    return runJob({
      ...common,
      job: job.build(undefined, flink),
      world: process,
      schedulingRandom,
    });
  }

  /** Asks the job for a checkpoint, a savepoint or to stop; undefined if its process dies first. @internal */
  request(request: Parameters<JobMaster['request']>[0]): Promise<TriggerOutcome | undefined> {
    const asked = this.running.master.request(request);
    const ended = this.#ended?.then(({ kind }) => (kind === 'died' ? undefined : asked));
    return this.simulation.run(Promise.race([asked, ended ?? asked]));
  }

  /** Runs until the job has ended or its process has died. */
  async outcome(bounds?: RunBounds): Promise<Outcome> {
    if (this.#ended === undefined) return { kind: 'died' };
    return this.simulation.run(this.#ended, bounds);
  }

  /** As `outcome`, for a job that must end. @throws {EngineError} `TST-011` if its process died. */
  async runToEnd(bounds?: RunBounds): Promise<JobResult> {
    const outcome = await this.outcome(bounds);
    if (outcome.kind === 'ended') return outcome.result;
    throw new EngineError('TST-011', 'invalid', 'the process of the job died', {
      hint: 'Submit the job again after a planned crash, or look at the trace for the reason.',
    });
  }

  /** Runs until `condition` holds, looked at whenever something happened, or the job is over. */
  async runUntil(condition: () => boolean): Promise<void> {
    const held = new Promise<void>((resolve) => {
      const look = (): void => {
        if (condition()) resolve();
        else this.simulation.clock.after(0.5, look);
      };
      look();
    });
    await this.simulation.run(Promise.race([held, (this.#ended ?? held).then(() => undefined)]));
  }

  /** `kill -9`: the disk keeps what was written. */
  kill(): void {
    this.#process?.kill();
  }

  /**
   * Takes the process for dead, as an operator does who cannot reach it, and leaves it as it is.
   * Returned to be thawed, or killed, beside the one that follows.
   */
  abandon(): SimulatedProcess | undefined {
    this.#abandon();
    return this.#process;
  }

  /** The process leads the job. @internal */
  get hasStarted(): boolean {
    return this.#running !== undefined;
  }

  /** The process that leads the job. @internal */
  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  /** Power failure: what was not synced may be gone or torn. */
  crash(): void {
    this.simulation.disk.crash();
  }

  /** Checkpoints completed so far, over all processes. */
  completedCheckpoints(): number {
    return this.events.filter(({ kind }) => kind === 'checkpoint-completed').length;
  }

  /** All values of the finished JSON lines files below a folder. */
  async jsonLines(folder: string): Promise<unknown[]> {
    const { readFinishedValues } = await import('../connectors/file/read-finished.ts');
    return this.#look((world) => readFinishedValues(world.fs, folder));
  }

  /** Puts a file on the disk, as an input of the job. */
  write(path: string, bytes: Uint8Array): Promise<void> {
    const folder = path.slice(0, path.lastIndexOf('/'));
    return this.#look(async ({ fs }) => {
      await fs.makeFolder(folder);
      const file = await fs.openWrite(path, 'create');
      await file.write(bytes);
      await file.sync();
      await file.close();
      for (let up = folder; up !== ''; up = up.slice(0, up.lastIndexOf('/'))) {
        await fs.syncFolder(up);
      }
      await fs.syncFolder('/');
    });
  }

  /** Cuts a file off, or takes it away (`undefined`): what a repaired disk may have done. */
  truncate(path: string, sizeBytes: number | undefined): Promise<void> {
    return this.#look(async ({ fs }) => {
      if (sizeBytes === undefined) {
        await fs.remove(path);
        return;
      }
      const file = await fs.openWrite(path, 'append');
      await file.truncate(sizeBytes);
      await file.close();
    });
  }

  /** Whether the last run has ended so that submitting it again begins a new one. */
  async isOver(): Promise<boolean> {
    const state = (await this.record())?.state;
    return state !== undefined && state !== 'running' && state !== 'failed';
  }

  /** What the storage says of the last run of the job's name. @internal */
  record(): Promise<NameRecord | undefined> {
    return this.#look(async (world) => {
      const store = new FileBlobStore(world.fs, CHECKPOINTS, world.random);
      return (await readNameRecord(store, this.#jobName))?.record;
    });
  }

  /** The metadata of the latest complete checkpoint; undefined if there is none. @internal */
  async latest(): Promise<SnapshotMetadata | undefined> {
    const jobId = (await this.record())?.jobId;
    if (jobId === undefined) return undefined;
    return this.#look(async (world) => {
      const store = new FileBlobStore(world.fs, CHECKPOINTS, world.random);
      const found = await readHead(store, jobId);
      const entry = found?.head.checkpoints.at(-1);
      return entry && (await readRetained(store, entry)).metadata;
    });
  }

  /** All keyed state of the latest complete checkpoint, by operator uid. */
  async state(): Promise<ReadonlyMap<string, readonly KeyedEntry[]>> {
    const latest = await this.latest();
    return this.#look(async (world) => {
      const store = new FileBlobStore(world.fs, CHECKPOINTS, world.random);
      const rows = new Map<string, KeyedEntry[]>();
      for (const { uid, keyed } of latest?.operators ?? []) {
        const own = rows.get(uid) ?? [];
        for await (const row of readKeyedRuns(keyed, (handle) => readHandle(store, handle))) {
          own.push(row);
        }
        rows.set(uid, own);
      }
      return rows;
    });
  }

  async #look<T>(work: (world: SimulatedProcess) => Promise<T>): Promise<T> {
    const process = this.simulation.process('look');
    try {
      return await this.simulation.run(process.start(() => work(process)));
    } finally {
      process.kill();
    }
  }
}
