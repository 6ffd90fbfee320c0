import { createHash } from 'node:crypto';
import { sleep, type Clock } from '../../common/clock.ts';
import { EngineError } from '../../common/errors.ts';
import { randomHex } from '../../common/random.ts';
import type { World } from '../../contracts/source.ts';
import { discardSnapshot } from '../../checkpoint/garbage-collection.ts';
import type { ClusterLeader } from '../../checkpoint/head.ts';
import { findSnapshot } from '../../checkpoint/metadata.ts';
import { pinnedError } from '../../checkpoint/snapshot-errors.ts';
import type { JobEnd } from '../../checkpoint/retention.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import type { JobEvent, JobResult, JobStatus } from '../job-events.ts';
import { RUN_IS_OVER } from '../job-store.ts';
import type { StoreSettings } from '../open-store.ts';
import type { JobLed, RunningJob } from '../lead-job.ts';
import type { Cluster, JobSubmission, JobView, TaskManagerView } from './cluster.ts';
import { DispatchedJob, JobDiary } from './dispatched-job.ts';
import {
  endingError,
  NAME_TAKEN,
  nameTakenError,
  noSavepointError,
  savepointInUseError,
} from './dispatcher-errors.ts';
import { hasEnded, type DurableJobs } from './durable-jobs.ts';
import { stillShown } from './ended-jobs.ts';
import type { JobRecord } from './job-record.ts';
import { isSubmittedAgain, takenName } from './same-submission.ts';
import type { UpgradeSide } from './upgrade-records.ts';
import {
  Upgrades,
  type CheckedVersion,
  type UpgradesHost,
  type VersionToCheck,
} from './upgrades.ts';

/** How long a storage that does not answer is left alone before it is asked again. */
const RETRY_MS = 5_000;
/** The same for a race for the leadership of a job, which was lost. */
const RACE_RETRY_MS = 200;
/** How long and how often it is looked whether a job that is being brought back runs. */
const BACK_MS_MAX = 10_000;
const BACK_LOOK_MS = 50;
/** What a job is when nothing of it runs any more. */
const OVER: ReadonlySet<JobStatus> = new Set(['FINISHED', 'FAILED', 'CANCELED']);
/** Jobs that are brought back at a time. */
const RECOVERIES_MAX = 4;

/** A job as it is to be run now. */
export interface JobToRun {
  readonly submissionId: string;
  readonly submission: JobSubmission;
  /** Its code, and the hash of that. */
  readonly code: Uint8Array;
  readonly bundle: string;
  readonly emit: (event: JobEvent) => void;
  readonly admit: (jobName: string) => Promise<void>;
  readonly onLed: (job: JobLed) => Promise<void>;
  /** For whom it is led. */
  readonly leader: ClusterLeader;
  /** Its checkpoints outlive an end of this kind, whatever its settings say. */
  readonly keepCheckpoints: (end: JobEnd) => boolean;
}

/** Runs jobs: in threads and processes, or simulated ones. */
export interface JobRunner {
  /** What the job's module and all that it imports come to, as one module. @throws {EngineError} `JOB-034`. */
  bundle(submission: JobSubmission): Promise<Uint8Array>;
  /** What becomes of a snapshot's state under this code. Nothing is started. */
  check(version: VersionToCheck): Promise<CheckedVersion>;
  /** @throws {EngineError} what keeps the job from starting. */
  run(job: JobToRun): Promise<RunningJob>;
}

export interface DispatcherOptions {
  readonly world: World;
  /** Taken over by this process. */
  readonly jobs: DurableJobs;
  readonly leader: ClusterLeader;
  /** Fails unless this process leads at this moment. @throws {EngineError} `JOB-050` (`fenced`). */
  readonly requireLeading: () => void;
  readonly runner: JobRunner;
  readonly openStore: (url: string, settings: StoreSettings) => BlobStore;
  /** Settings of the JobManager itself. */
  readonly config: FlinkSettings;
  readonly folder: string;
  /** What happens, for the log; `jobName` is undefined as long as it is not known. */
  readonly log: (entry: DispatcherEntry) => void;
}

export interface DispatcherEntry {
  readonly submissionId: string | undefined;
  readonly event: JobEvent | { readonly kind: 'ended'; readonly result: JobResult } | Problem;
}

interface Problem {
  readonly kind: 'problem';
  readonly what: string;
  readonly error: unknown;
}

/**
 * The jobs of a service: many at a time, each under a JobMaster of its own.
 *
 * Always holds: a job that was accepted is in the durable store until it has ended, so that after any
 * crash `recover` brings it back from its latest checkpoint; of two jobs of one name one runs at a time.
 * Once a later leader has taken over, nothing of this one counts: the store of jobs and HEAD refuse it.
 */
export class Dispatcher implements Cluster {
  readonly startMs: number;
  readonly #options: DispatcherOptions;
  readonly #clock: Clock;
  readonly #running = new Map<string, DispatchedJob>();
  #ended: readonly DispatchedJob[] = [];
  /** Names of jobs that run or are about to, and which submission has them. */
  readonly #names = new Map<string, string>();
  /** Records of jobs that could not be brought back, by the name of the job. */
  readonly #dormant = new Map<string, JobRecord>();
  /** Jobs that `recover` has found, as long as they are not over. */
  readonly #recovered = new Map<string, JobRecord>();
  /** Those of them of which it is open whether they come back. */
  readonly #comingBack = new Set<string>();
  readonly #underWay = new Set<Promise<unknown>>();
  /** What was submitted as the jobs that run, by submission. */
  readonly #sides = new Map<string, UpgradeSide>();
  /** Ends of jobs, with all that is to be done then, by submission. */
  readonly #ends = new Map<string, Promise<void>>();
  /** Names that only these submissions may have. */
  readonly #reserved = new Map<string, ReadonlySet<string>>();
  readonly upgrades: Upgrades;
  #isEnding = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#clock = options.world.clock;
    this.startMs = this.#clock.wallMs();
    this.upgrades = new Upgrades(this.#upgradesHost());
  }

  get config(): FlinkSettings {
    return this.#options.config;
  }

  get folder(): string {
    return this.#options.folder;
  }

  submit(submission: JobSubmission): Promise<JobView> {
    return this.#track(this.#submit(submission));
  }

  /**
   * Brings back every job that has not ended. Before anything is submitted. Resolves when it is known
   * which these are; they start behind that.
   *
   * @throws {EngineError} `STO-…` (`unavailable`) if the store of jobs does not answer.
   */
  async recover(): Promise<void> {
    const { jobs, problems } = await this.#options.jobs.list();
    for (const error of problems) this.#problem(undefined, 'a job is not brought back', error);
    const { own, go } = await this.upgrades.recover();
    await this.#options.jobs.sweep();
    // What an upgrade has in its hands is brought back by that.
    const left = jobs.filter(({ submissionId }) => !own.has(submissionId));
    for (const record of left) {
      this.#recovered.set(record.submissionId, record);
      this.#comingBack.add(record.submissionId);
    }
    for (const { submissionId, started } of left) {
      if (started !== undefined) this.#names.set(started.jobName, submissionId);
    }
    const worker = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        await this.#bringBack(next);
      }
    };
    for (let count = 0; count < RECOVERIES_MAX; count += 1) void this.#track(worker());
    go();
  }

  jobs(): readonly DispatchedJob[] {
    const { jobStoreCapacity: capacity, jobStoreExpirationSeconds } = this.config;
    const expirationMs = jobStoreExpirationSeconds * 1000;
    this.#ended = stillShown(this.#ended, this.#clock.wallMs(), { capacity, expirationMs });
    return [...this.#running.values(), ...[...this.#ended].reverse()];
  }

  taskManagers(): readonly TaskManagerView[] {
    return [...this.#running.values()].flatMap((job) => job.taskManagers());
  }

  async disposeSavepoint(path: string): Promise<void> {
    this.#options.requireLeading();
    const clean = path.replace(/\/+$/, '').replace(/\/_metadata$/, '');
    const cut = clean.lastIndexOf('/');
    if (cut < 0) throw noSavepointError(path);
    const store = this.#options.openStore(clean.slice(0, cut), this.config);
    const folder = clean.slice(cut + 1);
    const found = await findSnapshot(store, folder);
    if (found?.metadata.kind !== 'savepoint') throw noSavepointError(path);
    const { jobId, pin, label } = found.metadata;
    if (pin === true) throw pinnedError(found.url, label);
    const user = [...this.#running.values()].find(
      (job) => job.retained().includes(found.url) || job.retained().includes(clean),
    );
    if (user !== undefined) throw savepointInUseError(path, jobId);
    await discardSnapshot(store, folder);
  }

  /** Something is under way: a job that runs, a submission, one that is brought back. */
  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Ends everything here and no job: all are brought back by the next `recover`, here or elsewhere. */
  async close(): Promise<void> {
    this.#isEnding = true;
    while (this.#underWay.size > 0) {
      for (const job of this.#running.values()) job.suspend();
      await Promise.race(this.#underWay);
    }
  }

  async #submit(submission: JobSubmission): Promise<JobView> {
    if (this.#isEnding) throw endingError();
    const { world, jobs, runner, requireLeading } = this.#options;
    requireLeading();
    const submissionId = randomHex(world.random, 32);
    const code = await runner.bundle(submission);
    const bundle = createHash('sha256').update(code).digest('hex');
    try {
      const atMs = this.#clock.wallMs();
      return await this.#run(await jobs.add({ submissionId, submission, atMs }, code), code);
    } catch (error) {
      await this.#forget(submissionId);
      const isBack = await this.#broughtBack(takenName(error), submission, bundle);
      if (isBack !== undefined) return isBack;
      throw error;
    }
  }

  /** The job of this name, if it is this very submission that a restart of the service has done already. */
  async #broughtBack(
    jobName: string | undefined,
    submission: JobSubmission,
    bundle: string,
  ): Promise<DispatchedJob | undefined> {
    const holder = jobName === undefined ? undefined : this.#names.get(jobName);
    const record = holder === undefined ? undefined : this.#recovered.get(holder);
    if (jobName === undefined || holder === undefined || record === undefined) return undefined;
    if (!isSubmittedAgain(record, submission, bundle)) return undefined;
    const endMs = this.#clock.monotonicMs() + BACK_MS_MAX;
    while (this.#names.get(jobName) === holder && this.#clock.monotonicMs() < endMs) {
      const job = this.#running.get(holder);
      if (job !== undefined) return job;
      await sleep(this.#clock, BACK_LOOK_MS);
    }
    return undefined;
  }

  async #bringBack(record: JobRecord): Promise<void> {
    const { submissionId, started } = record;
    if (this.#isEnding) return;
    try {
      if (await hasEnded(record, this.#options.openStore)) {
        this.#release(submissionId);
        await this.#forget(submissionId);
      } else await this.#run(record, await this.#options.jobs.bundle(record));
    } catch (error) {
      const kind = error instanceof EngineError ? error.kind : undefined;
      // A leader before us that is about to notice may still get in between; HEAD then says so.
      const isRace = kind === 'fenced' && this.#leads();
      if (kind === 'unavailable' || isRace) {
        this.#problem(submissionId, 'a job is brought back later', error);
        this.#clock.after(isRace ? RACE_RETRY_MS : RETRY_MS, () => {
          void this.#track(this.#bringBack(record));
        });
        return;
      }
      const isOver = error instanceof EngineError && error.code === RUN_IS_OVER;
      if (!isOver) this.#problem(submissionId, 'a job is not brought back', error);
      this.#release(submissionId);
      const isReplaced = error instanceof EngineError && error.code === NAME_TAKEN;
      // Nobody was told that it was accepted.
      const isRefused = started === undefined && kind === 'invalid';
      if (isOver || isReplaced || isRefused) await this.#forget(submissionId);
      else if (started !== undefined) this.#dormant.set(started.jobName, record);
    }
    this.#comingBack.delete(submissionId);
  }

  /** Runs what is in the store. */
  async #run(record: JobRecord, code: Uint8Array): Promise<DispatchedJob> {
    const { leader, requireLeading } = this.#options;
    const { submissionId, bundle, started } = record;
    const diary = new JobDiary(this.#clock);
    // A job that has run goes on from where it is, whatever it was to start from.
    const submission: JobSubmission =
      started === undefined
        ? record.submission
        : {
            ...record.submission,
            name: started.jobName,
            from: { kind: 'resume', jobId: started.jobId },
          };
    try {
      const running = await this.#options.runner.run({
        submissionId,
        submission,
        code,
        bundle,
        emit: (event) => {
          diary.event(event);
          this.#options.log({ submissionId, event });
        },
        admit: async (jobName) => {
          await this.#untilReleased(jobName, submissionId);
          requireLeading();
          this.#admit(jobName, submissionId);
        },
        onLed: (job) => this.#led(record, job),
        leader,
        keepCheckpoints: (end) => end === 'failed' && this.#isReserved(submissionId),
      });
      this.#sides.set(submissionId, { submissionId, submission: record.submission, bundle });
      return this.#started(record, running, diary);
    } catch (error) {
      this.#release(submissionId);
      throw error;
    }
  }

  /** Whoever sees that a job is over may have its name at once: what is still to be written down of it is waited for. */
  async #untilReleased(jobName: string, submissionId: string): Promise<void> {
    const holder = this.#names.get(jobName);
    if (holder === undefined || holder === submissionId) return;
    const job = this.#running.get(holder);
    if (job === undefined || OVER.has(job.status)) await this.#ends.get(holder);
  }

  #admit(jobName: string, submissionId: string): void {
    const holder = this.#names.get(jobName);
    const reserved = this.#reserved.get(jobName);
    if (reserved?.has(submissionId) === false) throw nameTakenError(jobName, 'being upgraded');
    if (holder !== undefined && holder !== submissionId) {
      const running = [...this.#running.values()].find((job) => job.jobName === jobName);
      throw nameTakenError(jobName, running?.jobId ?? 'not yet known');
    }
    this.#names.set(jobName, submissionId);
  }

  /** From here on a crash brings the job back under this id. */
  async #led(record: JobRecord, { jobId, jobName, storageUrl }: JobLed): Promise<void> {
    if (record.started?.jobId !== jobId) {
      await this.#options.jobs.start(record, { jobId, jobName, storageUrl });
    }
    // What could not be brought back under this name is replaced by this one.
    const dormant = this.#dormant.get(jobName);
    this.#dormant.delete(jobName);
    if (dormant !== undefined && dormant.submissionId !== record.submissionId) {
      await this.#forget(dormant.submissionId);
    }
  }

  #started(
    { submissionId, submission }: JobRecord,
    running: RunningJob,
    diary: JobDiary,
  ): DispatchedJob {
    const job = new DispatchedJob(running, diary, submission);
    this.#running.set(submissionId, job);
    this.#ended = this.#ended.filter(({ jobId }) => jobId !== job.jobId);
    const over = running.done.then((result) => this.#over(submissionId, job, result));
    this.#ends.set(submissionId, over);
    void this.#track(over);
    if (this.#isEnding) job.suspend();
    return job;
  }

  async #over(submissionId: string, job: DispatchedJob, result: JobResult): Promise<void> {
    job.ended(result, this.#clock.wallMs());
    this.#running.delete(submissionId);
    this.#ended = [...this.#ended, job];
    this.#options.log({ submissionId, event: { kind: 'ended', result } });
    // Whoever fenced it has the job now; one that is suspended comes back.
    const goesOn =
      result.status === 'SUSPENDED' ||
      (result.error instanceof EngineError && result.error.kind === 'fenced');
    if (!goesOn) await this.#forget(submissionId);
    this.#release(submissionId);
    this.#sides.delete(submissionId);
    this.#ends.delete(submissionId);
  }

  #leads(): boolean {
    try {
      this.#options.requireLeading();
      return true;
    } catch {
      return false;
    }
  }

  #release(submissionId: string): void {
    this.#recovered.delete(submissionId);
    for (const [name, holder] of this.#names) if (holder === submissionId) this.#names.delete(name);
  }

  /** Takes it out of the store. */
  async #forget(submissionId: string): Promise<void> {
    try {
      await this.#options.jobs.remove(submissionId);
    } catch (error) {
      // Whoever leads now has it, or has found it over.
      if (error instanceof EngineError && error.kind === 'fenced') return;
      this.#problem(submissionId, 'a job that is over stays in the store for now', error);
      if (this.#isEnding) return;
      this.#clock.after(RETRY_MS, () => {
        void this.#track(this.#forget(submissionId));
      });
    }
  }

  #isReserved(submissionId: string): boolean {
    return [...this.#reserved.values()].some((submissions) => submissions.has(submissionId));
  }

  #upgradesHost(): UpgradesHost {
    const { world, leader, openStore, jobs, runner, requireLeading } = this.#options;
    const ofJob = (jobId: string) => [...this.#running].find(([, job]) => job.jobId === jobId);
    return {
      ...{ world, leader, requireLeading, records: jobs.upgrades },
      openStore: (url) => openStore(url, this.config),
      isEnding: () => this.#isEnding,
      running: (submissionId) => this.#running.get(submissionId),
      over: async (submissionId) => this.#ends.get(submissionId),
      isComingBack: (submissionId) => this.#comingBack.has(submissionId),
      find: (submissionId) => jobs.find(submissionId),
      code: (upgrade, side) => jobs.upgrades.code(upgrade, side),
      begin: (side, stored, code) => this.#begin(side, stored, code),
      forget: (submissionId) => this.#forget(submissionId),
      takenBack: (jobId) => {
        for (const job of this.#ended) {
          if (job.jobId !== jobId || job.result?.status !== 'SUSPENDED') continue;
          job.ended({ ...job.result, status: 'CANCELED' }, this.#clock.wallMs());
        }
      },
      bundle: (submission) => runner.bundle(submission),
      bundleOf: (side) => jobs.bundle(side),
      check: (version) => runner.check(version),
      reserve: (jobName, submissionIds) => {
        this.#reserved.set(jobName, new Set(submissionIds));
      },
      unreserve: (jobName) => {
        this.#reserved.delete(jobName);
      },
      sideOf: (jobId) => this.#sides.get(ofJob(jobId)?.[0] ?? ''),
      job: (jobId) => ofJob(jobId)?.[1],
      track: (work) => this.#track(work),
      problem: (what, error) => {
        this.#problem(undefined, what, error);
      },
    };
  }

  /** What an upgrade has in the store, or is to put there. */
  async #begin(
    { submissionId, submission }: UpgradeSide,
    stored: JobRecord | undefined,
    codeOf: () => Promise<Uint8Array>,
  ): Promise<DispatchedJob> {
    if (this.#isEnding) throw endingError();
    const { jobs, requireLeading } = this.#options;
    requireLeading();
    const running = this.#running.get(submissionId);
    if (running !== undefined) return running;
    if (stored !== undefined) return this.#run(stored, await jobs.bundle(stored));
    const code = await codeOf();
    const atMs = this.#clock.wallMs();
    return this.#run(await jobs.add({ submissionId, submission, atMs }, code), code);
  }

  #problem(submissionId: string | undefined, what: string, error: unknown): void {
    this.#options.log({ submissionId, event: { kind: 'problem', what, error } });
  }

  /** `close` waits for it. */
  #track<T>(work: Promise<T>): Promise<T> {
    const tracked = work.then(
      () => undefined,
      () => undefined,
    );
    this.#underWay.add(tracked);
    void tracked.then(() => this.#underWay.delete(tracked));
    return work;
  }
}
