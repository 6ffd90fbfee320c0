import { createHash } from 'node:crypto';
import path from 'node:path';
import { EngineError } from '../../common/errors.ts';
import { randomHex } from '../../common/random.ts';
import { snapshotAt } from '../stored-snapshot.ts';
import type { UpgradeReport } from '../upgrade/check-upgrade.ts';
import type { JobSubmission, UpgradeRequest, UpgradeView } from './cluster.ts';
import type { DispatchedJob } from './dispatched-job.ts';
import {
  nameChangedError,
  noCheckpointError,
  noRunningJobError,
  storageChangedError,
  upgradeUnderWayError,
} from './upgrade-errors.ts';
import type {
  StoredUpgrade,
  UpgradeOrder,
  UpgradeRecords,
  UpgradeSide,
} from './upgrade-records.ts';
import { UpgradeRun, type UpgradeHost } from './upgrade-run.ts';
import { isUpgradeOver, stepUpgrade } from './upgrade-state.ts';

/** What the new version comes to, before it runs. */
export interface CheckedVersion {
  readonly report: UpgradeReport;
  /** URL of what it was checked on. */
  readonly snapshot: string;
  readonly checkpointStorage: string | undefined;
}

export interface VersionToCheck {
  readonly submission: JobSubmission;
  readonly code: Uint8Array;
  readonly bundle: string;
  readonly storeUrl: string;
  readonly snapshot: { readonly folder: string } | { readonly jobId: string };
}

/** What this needs of the dispatcher, beside what one upgrade needs. */
export interface UpgradesHost extends UpgradeHost {
  readonly records: UpgradeRecords;
  bundle(submission: JobSubmission): Promise<Uint8Array>;
  check(version: VersionToCheck): Promise<CheckedVersion>;
  /** The code of a job in the store. */
  bundleOf(side: UpgradeSide): Promise<Uint8Array>;
  /** Nobody but these may have the name until it is given back. */
  reserve(jobName: string, submissionIds: readonly string[]): void;
  unreserve(jobName: string): void;
  /** What was submitted as the job that runs under this id. */
  sideOf(jobId: string): UpgradeSide | undefined;
  job(jobId: string): DispatchedJob | undefined;
  track<T>(work: Promise<T>): Promise<T>;
  problem(what: string, error: unknown): void;
}

/** Of those that are over or were refused. */
const VIEWS_MAX = 100;

interface Entry {
  readonly upgradeId: string;
  readonly jobId: string;
  readonly jobName: string;
  phase: UpgradeView['phase'];
  snapshot: string | undefined;
  report: UpgradeReport | undefined;
  error: unknown;
  stored: StoredUpgrade | undefined;
  /** Another process has begun it. */
  readonly isTakenOver: boolean;
}

/**
 * Upgrades of running jobs: checked, stopped with a savepoint, started anew, watched, and taken back.
 *
 * Always holds: an upgrade that has touched its job stands in the store until it is over, and whatever process leads
 * takes it to its end; who asked for it is not needed. A process that leads no more does not move it.
 */
export class Upgrades {
  readonly #host: UpgradesHost;
  readonly #entries = new Map<string, Entry>();

  constructor(host: UpgradesHost) {
    this.#host = host;
  }

  /**
   * Begins it, or finds the one of this id.
   *
   * @throws {EngineError} `JOB-061`, `JOB-064` (`invalid`); `JOB-050` (`fenced`) if this process does not lead.
   */
  start(request: UpgradeRequest): UpgradeView {
    const { upgradeId, jobId } = request;
    this.#host.requireLeading();
    const known = this.#entries.get(upgradeId);
    if (known !== undefined) return viewOf(known);
    const job = this.#host.job(jobId);
    if (job === undefined) throw noRunningJobError(jobId);
    const other = [...this.#entries.values()].find(
      (each) => each.jobName === job.jobName && !isOver(each),
    );
    if (other !== undefined) throw upgradeUnderWayError(job.jobName, other.upgradeId);
    const entry: Entry = {
      ...{ upgradeId, jobId, jobName: job.jobName, phase: 'checking' },
      ...{ snapshot: undefined, report: undefined, error: undefined, stored: undefined },
      isTakenOver: false,
    };
    this.#entries.set(upgradeId, entry);
    void this.#host.track(this.#begin(entry, request, job));
    return viewOf(entry);
  }

  find(upgradeId: string): UpgradeView | undefined {
    const entry = this.#entries.get(upgradeId);
    return entry && viewOf(entry);
  }

  /**
   * Reads what earlier processes left.
   *
   * @returns Submissions that are the upgrades' to run, and `go`, which goes on with them.
   */
  async recover(): Promise<{ readonly own: ReadonlySet<string>; readonly go: () => void }> {
    const { upgrades, problems } = await this.#host.records.list();
    for (const error of problems) this.#host.problem('an upgrade cannot be read', error);
    const own = new Set<string>();
    const left: Entry[] = [];
    for (const stored of upgrades) {
      const { record, state } = stored;
      const { upgradeId, oldJobId: jobId, jobName } = record;
      const entry: Entry = {
        ...{ upgradeId, jobId, jobName, phase: state.kind, stored, isTakenOver: true },
        ...{ snapshot: undefined, report: undefined, error: undefined },
      };
      this.#entries.set(upgradeId, entry);
      if (isUpgradeOver(state)) continue;
      left.push(entry);
      for (const id of [record.new.submissionId, record.backSubmissionId]) own.add(id);
      if (state.kind !== 'stopping') own.add(record.old.submissionId);
      this.#hold(record);
    }
    return {
      own,
      go: () => {
        for (const entry of left) void this.#host.track(this.#drive(entry));
      },
    };
  }

  async #begin(entry: Entry, request: UpgradeRequest, job: DispatchedJob): Promise<void> {
    try {
      const code = await this.#host.bundle(request.submission);
      await this.#check(entry, request, job, code);
      if (request.dryRun || entry.report?.fits !== true) {
        entry.phase = entry.report?.fits === true ? 'checked' : 'refused';
        return;
      }
      await this.#touch(entry, request, job, code);
    } catch (error) {
      entry.error = error;
      entry.phase = 'refused';
      this.#host.unreserve(entry.jobName);
    } finally {
      this.#forgetOldest();
    }
  }

  async #check(
    entry: Entry,
    { submission }: UpgradeRequest,
    job: DispatchedJob,
    code: Uint8Array,
  ): Promise<void> {
    const { report, snapshot, checkpointStorage } = await this.#host.check({
      submission,
      code,
      bundle: hashOf(code),
      ...(await this.#latestOf(job)),
    });
    entry.snapshot = snapshot;
    entry.report = report;
    const side = this.#host.sideOf(job.jobId);
    if (side === undefined || job.result !== undefined) throw noRunningJobError(job.jobId);
    // One that was given a name keeps it.
    if (side.submission.name === undefined && report.jobName !== job.jobName) {
      throw nameChangedError(job.jobName, report.jobName);
    }
    const before = urlOf(this.#host, job.storageUrl);
    const after =
      checkpointStorage && urlOf(this.#host, withFolder(checkpointStorage, submission.folder));
    if (after !== undefined && after !== before) throw storageChangedError(before, after);
  }

  /** What the new version is checked on; a checkpoint is taken if there is none. */
  async #latestOf(job: DispatchedJob): Promise<Pick<VersionToCheck, 'storeUrl' | 'snapshot'>> {
    const { jobId, storageUrl } = job;
    if (job.retained().length === 0) {
      const outcome = await job.checkpoint({ full: false });
      if (outcome.kind !== 'completed') throw noCheckpointError(jobId, outcome.message);
    }
    const own = job.retained().filter((url) => url.includes(`/${jobId}/`));
    const [base] = job.retained();
    // As long as it has none of its own: what it was started from.
    if (own.length > 0 || base === undefined) return { storeUrl: storageUrl, snapshot: { jobId } };
    const stored = await snapshotAt(base, this.#host.openStore);
    if (stored === undefined) throw noCheckpointError(jobId, `${base} is gone`);
    return { storeUrl: stored.store.url, snapshot: { folder: stored.found.folder } };
  }

  /** From here on the job is touched. */
  async #touch(
    entry: Entry,
    request: UpgradeRequest,
    job: DispatchedJob,
    code: Uint8Array,
  ): Promise<void> {
    const { world, records } = this.#host;
    const { upgradeId, jobId, jobName } = entry;
    const old = this.#host.sideOf(jobId);
    if (old === undefined) throw noRunningJobError(jobId);
    const before = await this.#host.bundleOf(old).catch((error: unknown) => {
      // It went with the job.
      throw this.#host.sideOf(jobId) === undefined ? noRunningJobError(jobId) : error;
    });
    const { name } = old.submission;
    const record: UpgradeOrder = {
      ...{ upgradeId, jobName, oldJobId: jobId, old, storageUrl: job.storageUrl },
      atMs: world.clock.wallMs(),
      withinMs: request.withinMs,
      new: {
        submissionId: randomHex(world.random, 32),
        submission: { ...request.submission, name },
        bundle: hashOf(code),
      },
      backSubmissionId: randomHex(world.random, 32),
      savepoint: request.savepoint,
    };
    this.#hold(record);
    this.#host.requireLeading();
    const sides = { old: before, new: code };
    entry.stored = await records.add(record, { kind: 'stopping' }, sides);
    await this.#drive(entry);
  }

  #hold({ jobName, old, new: fresh, backSubmissionId }: UpgradeOrder): void {
    const { submissionId } = fresh;
    this.#host.reserve(jobName, [old.submissionId, submissionId, backSubmissionId]);
  }

  /** Never throws: what goes wrong is said, and the next process goes on. */
  async #drive(entry: Entry): Promise<void> {
    const { records } = this.#host;
    try {
      while (entry.stored !== undefined && !isUpgradeOver(entry.stored.state)) {
        const { stored, isTakenOver } = entry;
        entry.phase = stored.state.kind;
        const event = await new UpgradeRun(this.#host, stored, isTakenOver).next();
        if (event === undefined) return;
        this.#host.requireLeading();
        entry.stored = await records.move(stored, stepUpgrade(stored.state, event));
        entry.phase = entry.stored.state.kind;
      }
      this.#host.unreserve(entry.jobName);
      if (entry.stored !== undefined) await records.removeCode(entry.stored);
    } catch (error) {
      if (entry.stored !== undefined && isUpgradeOver(entry.stored.state)) return;
      // Whoever leads now goes on with it.
      if (error instanceof EngineError && error.kind === 'fenced') return;
      entry.error = error;
      this.#host.problem('an upgrade stands still until the service is started again', error);
    }
  }

  #forgetOldest(): void {
    let excess = this.#entries.size - VIEWS_MAX;
    for (const [id, entry] of this.#entries) {
      if (excess <= 0) return;
      if (!isOver(entry)) continue;
      this.#entries.delete(id);
      excess -= 1;
    }
  }
}

function hashOf(code: Uint8Array): string {
  return createHash('sha256').update(code).digest('hex');
}

/** A path is from the folder of the submission; an address stays as it is. */
function withFolder(said: string, folder: string): string {
  return /^[a-z][a-z0-9+.-]*:/i.test(said) ? said : path.resolve(folder, said);
}

function urlOf({ openStore }: UpgradesHost, said: string): string {
  return openStore(said).url;
}

function isOver({ phase, stored, error }: Entry): boolean {
  if (phase === 'checking') return false;
  return stored === undefined || isUpgradeOver(stored.state) || error !== undefined;
}

function viewOf(entry: Entry): UpgradeView {
  const { upgradeId, jobId, jobName, phase, snapshot, report, stored, error } = entry;
  const state = stored?.state;
  const view = { upgradeId, jobId, jobName, phase, snapshot, report, state, error };
  return { ...view, isOver: isOver(entry) };
}
