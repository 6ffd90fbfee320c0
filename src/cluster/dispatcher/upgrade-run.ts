import { acquireLeadership } from '../../checkpoint/checkpoint-store.ts';
import { sweepJob } from '../../checkpoint/garbage-collection.ts';
import { readHead, type ClusterLeader, type Head } from '../../checkpoint/head.ts';
import { readNameRecord, type NameRecord } from '../../checkpoint/name-record.ts';
import type { JobEnd } from '../../checkpoint/retention.ts';
import { sleep } from '../../common/clock.ts';
import { EngineError } from '../../common/errors.ts';
import type { World } from '../../contracts/source.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { RUN_IS_OVER } from '../job-store.ts';
import type { DispatchedJob } from './dispatched-job.ts';
import type { JobRecord } from './job-record.ts';
import type { SideName, StoredUpgrade, UpgradeOrder, UpgradeSide } from './upgrade-records.ts';
import type { UpgradeEvent, UpgradeState } from './upgrade-state.ts';

/** How often a job is looked at. */
const LOOK_MS = 20;
/** Between two checkpoints that are asked for. */
const ASK_MS = 1_000;
/** How long a storage that does not answer is left alone. */
const RETRY_MS = 1_000;
/** The same for a race with a leader before, which was lost. */
const RACE_RETRY_MS = 200;
/** Refusals of a job's HEAD and name that are no verdict on who leads the cluster. */
const RACES: readonly string[] = ['CHK-003', 'CHK-013', RUN_IS_OVER];
const WHY_CHARS_MAX = 500;

/** What an upgrade needs of the dispatcher. */
export interface UpgradeHost {
  readonly world: World;
  /** For whom this process leads. */
  readonly leader: ClusterLeader;
  readonly openStore: (url: string) => BlobStore;
  isEnding(): boolean;
  /** Fails unless this process leads at this moment. @throws {EngineError} `JOB-050` (`fenced`). */
  requireLeading(): void;
  /** The job of this submission, if it runs here. */
  running(submissionId: string): DispatchedJob | undefined;
  /** Resolves when the job of this submission has ended, and its name is free. */
  over(submissionId: string): Promise<void>;
  /** Whether the job of this submission is still to be brought back here. */
  isComingBack(submissionId: string): boolean;
  find(submissionId: string): Promise<JobRecord | undefined>;
  /** The code of a version, as the upgrade keeps it. */
  code(upgrade: StoredUpgrade, side: SideName): Promise<Uint8Array>;
  /** Runs what is stored, or, if nothing is, what is given. @throws {EngineError} what keeps it from starting. */
  begin(
    side: UpgradeSide,
    stored: JobRecord | undefined,
    code: () => Promise<Uint8Array>,
  ): Promise<DispatchedJob>;
  /** A job that was suspended does not come back: it is shown as one that was cancelled. */
  takenBack(jobId: string): void;
  /** Takes a job out of the store. */
  forget(submissionId: string): Promise<void>;
}

/**
 * Does what the states of an upgrade ask for; each step can be done again by another process.
 *
 * Always holds: a process that leads no more changes nothing by it. The store of jobs refuses it each side that it
 * would add or remove, and HEAD each job that a later leader has; and who leads next judges a job only
 * after it has taken its HEAD, or has read that it is over.
 */
export class UpgradeRun {
  readonly #host: UpgradeHost;
  readonly #upgrade: StoredUpgrade;
  readonly #record: UpgradeOrder;
  readonly #store: BlobStore;
  readonly #isTakenOver: boolean;

  /** @param isTakenOver Another process has begun it. */
  constructor(host: UpgradeHost, upgrade: StoredUpgrade, isTakenOver: boolean) {
    this.#host = host;
    this.#upgrade = upgrade;
    this.#record = upgrade.record;
    this.#store = host.openStore(upgrade.record.storageUrl);
    this.#isTakenOver = isTakenOver;
  }

  /**
   * What the state that it is in comes to. Undefined: the service is ending, and the next one goes on.
   *
   * @throws {EngineError} `JOB-050` (`fenced`), or what keeps the old version from running again.
   */
  async next(): Promise<UpgradeEvent | undefined> {
    const { state } = this.#upgrade;
    this.#host.requireLeading();
    switch (state.kind) {
      case 'stopping':
        return this.#isTakenOver ? this.#judgeStop() : this.#stop();
      case 'starting':
        return this.#start(state.savepointUrl);
      case 'going-back':
        return this.#goBack(state);
      default:
        return undefined;
    }
  }

  async #stop(): Promise<UpgradeEvent | undefined> {
    const { old, savepoint } = this.#record;
    const job = this.#host.running(old.submissionId);
    if (job?.result === undefined && job !== undefined) {
      const { directory = job.config.savepointDirectory, drain, notes } = savepoint;
      const outcome = await job.stop({ directory, drain, notes });
      if (outcome.kind === 'completed' && outcome.url !== '') {
        await this.#host.over(old.submissionId);
        return { kind: 'stopped', savepointUrl: outcome.url };
      }
      if (this.#host.isEnding()) return undefined;
      const message = outcome.kind === 'completed' ? 'it has no path' : outcome.message;
      return { kind: 'not-stopped', why: `the savepoint failed: ${message}` };
    }
    return this.#judgeStop();
  }

  /**
   * Whether the old version was stopped by who led before. That one may still be about to, so it is asked for once
   * the job is this process's to lead, or is over.
   */
  async #judgeStop(): Promise<UpgradeEvent | undefined> {
    const { old, oldJobId } = this.#record;
    const { clock } = this.#host.world;
    while (this.#host.isComingBack(old.submissionId)) {
      if (this.#host.isEnding()) return undefined;
      await sleep(clock, LOOK_MS);
    }
    const known = await this.#retrying(() => this.#nameRecord());
    if (known === undefined) return undefined;
    const { jobId, state, savepointUrl } = known;
    if (jobId === oldJobId && state === 'stopped' && savepointUrl !== undefined) {
      return { kind: 'stopped', savepointUrl };
    }
    const why = 'the service ended before the savepoint was complete: ask again';
    return { kind: 'not-stopped', why };
  }

  async #start(savepointUrl: string): Promise<UpgradeEvent | undefined> {
    const { new: side } = this.#record;
    try {
      const begun = await this.#retrying(async () => {
        const stored = await this.#host.find(side.submissionId);
        const ended = await this.#endOfNew(savepointUrl, stored);
        if (ended !== undefined) await this.#host.forget(side.submissionId);
        return ended ?? (await this.#begin('new', fromSavepoint(side, savepointUrl), stored));
      }, this.#record.withinMs);
      if (begun === undefined) return undefined;
      return 'kind' in begun ? begun : await this.#watch(begun, savepointUrl);
    } catch (error) {
      // Nobody can say so who leads no more.
      this.#host.requireLeading();
      return { kind: 'unwell', why: textOf(error), newJobId: await this.#newJobId() };
    }
  }

  /** How the new version has ended already, if its record has gone, or is about to. */
  async #endOfNew(
    savepointUrl: string,
    stored: JobRecord | undefined,
  ): Promise<UpgradeEvent | undefined> {
    const { jobId, state } = await this.#nameRecord();
    if (jobId === this.#record.oldJobId || state === 'running') return undefined;
    if (stored !== undefined && stored.started?.jobId !== jobId) return undefined;
    return this.#ended(jobId, state, savepointUrl, 'the service ended meanwhile');
  }

  async #ended(
    jobId: string,
    end: JobEnd,
    savepointUrl: string,
    why: string,
  ): Promise<UpgradeEvent | undefined> {
    const found = await this.#retrying(async () => ({ at: await readHead(this.#store, jobId) }));
    if (found === undefined) return undefined;
    const isAhead = found.at !== undefined && hasOwn(found.at.head, savepointUrl);
    return { kind: 'ended', jobId, end, isAhead, why };
  }

  /** Until the job is well, or too much time has gone by. */
  async #watch(job: DispatchedJob, savepointUrl: string): Promise<UpgradeEvent | undefined> {
    const { clock } = this.#host.world;
    const { withinMs } = this.#record;
    const { jobId } = job;
    const startMs = clock.monotonicMs();
    let askedMs = -Infinity;
    for (;;) {
      const { result, status } = job;
      if (result !== undefined) {
        if (result.status === 'SUSPENDED') return undefined;
        const end = result.savepointUrl === undefined ? ENDS[result.status] : 'stopped';
        return this.#ended(jobId, end, savepointUrl, whyOf(job));
      }
      if (status === 'RUNNING') {
        if (hasCompleted(job)) return { kind: 'well', jobId };
        if (clock.monotonicMs() - askedMs > ASK_MS && job.counts().inProgress === 0) {
          askedMs = clock.monotonicMs();
          void job.checkpoint({ full: false }).catch(() => undefined);
        }
      }
      if (clock.monotonicMs() - startMs > withinMs) {
        const why = `not well within ${withinMs / 1000} s: it is ${status}. ${whyOf(job)}`.trim();
        return { kind: 'unwell', why, newJobId: jobId };
      }
      await sleep(clock, LOOK_MS);
    }
  }

  async #goBack(
    state: Extract<UpgradeState, { kind: 'going-back' }>,
  ): Promise<UpgradeEvent | undefined> {
    const { new: side, backSubmissionId, old } = this.#record;
    // As a crash would end it: what it has completed stays, to be looked at.
    this.#host.running(side.submissionId)?.suspend();
    await this.#host.over(side.submissionId);
    const back = { ...fromSavepoint(old, state.savepointUrl), submissionId: backSubmissionId };
    return this.#retrying(async () => {
      const stored = await this.#host.find(backSubmissionId);
      if (stored?.started === undefined) {
        const { newJobId } = state;
        const kept = newJobId === undefined ? undefined : await this.#settle(newJobId, state);
        if (kept !== undefined) return kept;
        await this.#host.forget(side.submissionId);
        const { jobId, state: end } = await this.#nameRecord();
        const isBack = jobId !== this.#record.oldJobId && jobId !== newJobId;
        // It has run and ended, and its record is gone.
        if (stored === undefined && isBack && end !== 'running') return { kind: 'back', jobId };
      }
      return this.#beginBack(back, stored);
    });
  }

  async #beginBack(back: UpgradeSide, stored: JobRecord | undefined): Promise<UpgradeEvent> {
    try {
      const { jobId } = await this.#begin('old', back, stored);
      return { kind: 'back', jobId };
    } catch (error) {
      const ran = stored?.started;
      if (ran === undefined || !(error instanceof EngineError && error.code === RUN_IS_OVER)) {
        throw error;
      }
      // It has run, and has ended since.
      await this.#host.forget(back.submissionId);
      return { kind: 'back', jobId: ran.jobId };
    }
  }

  #begin(name: SideName, side: UpgradeSide, stored: JobRecord | undefined): Promise<DispatchedJob> {
    return this.#host.begin(side, stored, () => this.#host.code(this.#upgrade, name));
  }

  /**
   * Fences the new version and looks what it has completed: if anything, it is the one that goes on. Else it
   * is over for good.
   */
  async #settle(
    jobId: string,
    { savepointUrl, why }: { readonly savepointUrl: string; readonly why: string },
  ): Promise<UpgradeEvent | undefined> {
    const { jobId: named, lineage } = await this.#nameRecord();
    // The old version has led since.
    if (named !== jobId) return undefined;
    const { leader, world } = this.#host;
    const { random } = world;
    this.#host.requireLeading();
    const leadership = { store: this.#store, jobId, lineage, owner: 'upgrade', leader, random };
    const fenced = await acquireLeadership(leadership);
    // Only now: who led it before may have ended it until then, and let its checkpoints go behind that.
    const { jobId: now, state: end } = await this.#nameRecord();
    if (now !== jobId) return undefined;
    const isAhead = hasOwn(fenced.head, savepointUrl);
    const isOver = end !== 'running' && (isAhead || end !== 'failed');
    if (isOver) return { kind: 'ended', jobId, end, isAhead: true, why };
    if (isAhead) {
      const { new: side } = this.#record;
      const stored = await this.#host.find(side.submissionId);
      const { jobId: running } = await this.#begin('new', resumed(side, jobId), stored);
      return { kind: 'ahead', jobId: running };
    }
    const idsUsedThrough = fenced.head.idsThrough;
    await fenced.end('canceled', { discard: true, idsUsedThrough });
    this.#host.takenBack(jobId);
    const scope = { pendingIds: new Set<number>(), files: new Set<string>(), nextId: Infinity };
    while ((await sweepJob({ store: this.#store, jobId, epoch: fenced.epoch, scope })).more);
    return undefined;
  }

  /** The job as which the new version has led, if it has. */
  async #newJobId(): Promise<string | undefined> {
    const known = await this.#retrying(() => this.#nameRecord());
    return known?.jobId === this.#record.oldJobId ? undefined : known?.jobId;
  }

  /** Whose name it is. The old version has had it. */
  async #nameRecord(): Promise<NameRecord> {
    const found = await readNameRecord(this.#store, this.#record.jobName);
    if (found !== undefined) return found.record;
    throw new EngineError('JOB-065', 'corrupt', 'the record of the job that is upgraded is gone', {
      details: { jobName: this.#record.jobName, storage: this.#store.url },
      hint: 'Start the version that is to run from the savepoint, with tidemark run -d -s <path>.',
    });
  }

  /**
   * As long as the storage does not answer, or who led before gets in between, or so long; undefined when the
   * service ends.
   */
  async #retrying<T>(work: () => Promise<T>, atMostMs = Infinity): Promise<T | undefined> {
    const { clock } = this.#host.world;
    const startMs = clock.monotonicMs();
    for (;;) {
      if (this.#host.isEnding()) return undefined;
      try {
        return await work();
      } catch (error) {
        const isRace = error instanceof EngineError && RACES.includes(error.code);
        const mayHelp = isRace || (error instanceof EngineError && error.kind === 'unavailable');
        if (!mayHelp && this.#host.isEnding()) return undefined;
        this.#host.requireLeading();
        if (!mayHelp || clock.monotonicMs() - startMs > atMostMs) throw error;
        await sleep(clock, isRace ? RACE_RETRY_MS : RETRY_MS);
      }
    }
  }
}

const ENDS = { FINISHED: 'finished', FAILED: 'failed', CANCELED: 'canceled' } as const;

function fromSavepoint(side: UpgradeSide, path: string): UpgradeSide {
  return { ...side, submission: { ...side.submission, from: { kind: 'snapshot', path } } };
}

function resumed(side: UpgradeSide, jobId: string): UpgradeSide {
  return { ...side, submission: { ...side.submission, from: { kind: 'resume', jobId } } };
}

/** Whether the job has completed a snapshot of its own that it would go back to: its output is out. */
function hasOwn({ checkpoints }: Head, savepointUrl: string): boolean {
  return checkpoints.some(({ url }) => url !== savepointUrl);
}

function hasCompleted(job: DispatchedJob): boolean {
  return job
    .checkpoints()
    .some(({ snapshot, status }) => snapshot !== 'savepoint' && status === 'completed');
}

function whyOf(job: DispatchedJob): string {
  const [last] = job.failures();
  const text = last?.text ?? (job.result?.error === undefined ? '' : textOf(job.result.error));
  return text.slice(0, WHY_CHARS_MAX);
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, WHY_CHARS_MAX);
}
