import { acquireLeadership, type CheckpointStore } from '../checkpoint/checkpoint-store.ts';
import type {
  CoordinatedVertex,
  CoordinatorAction,
  CoordinatorEventBody,
  RestoredSnapshot,
  SnapshotLocation,
} from '../checkpoint/coordinator-types.ts';
import {
  discardSnapshot,
  sweepJob,
  sweepSavepoints,
  type SweepScope,
} from '../checkpoint/garbage-collection.ts';
import { readHandle } from '../checkpoint/handle-reader.ts';
import {
  readHead,
  readRetained,
  type ClusterLeader,
  type Head,
  type HeadCheckpoint,
} from '../checkpoint/head.ts';
import {
  filesOfOperators,
  type FoundSnapshot,
  type SnapshotIdentity,
} from '../checkpoint/metadata.ts';
import {
  claimName,
  endName,
  readNameRecord,
  requireUnclaimed,
  type NameRecord,
} from '../checkpoint/name-record.ts';
import { planRestore, type RestorePlan } from '../checkpoint/restore-plan.ts';
import { resumeDecision, type ResumeDecision } from '../checkpoint/resume-decision.ts';
import type { JobEnd } from '../checkpoint/retention.ts';
import { forgetClaimed, requireClaimable } from '../checkpoint/claim.ts';
import { rollbackPendingError } from '../checkpoint/errors.ts';
import { storeOf, type LocatedSnapshot, type SnapshotStores } from '../checkpoint/snapshot-path.ts';
import { EngineError } from '../common/errors.ts';
import { randomHex } from '../common/random.ts';
import type { World } from '../contracts/source.ts';
import type { ExecutionPlan } from '../graph/execution-plan.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { findNamed, savepointStoreOf } from './named-snapshot.ts';
import type { StartFrom } from './start-from.ts';
import type { Ancestry } from './writer-id.ts';

export interface OpenJobOptions {
  readonly store: BlobStore;
  /** The store of a URL that is not in the job's own. */
  readonly openStore: (url: string) => BlobStore;
  readonly jobName: string;
  readonly world: World;
  readonly from: Exclude<StartFrom, { readonly kind: 'fork' }>;
  /** Where savepoints go that name no directory. Default: the job's storage. */
  readonly savepointDirectory: string | undefined;
  /** For people: host and process. */
  readonly owner: string;
  /** The cluster's leader, if the job runs under one. */
  readonly leader?: ClusterLeader | undefined;
  /** Whether the checkpoints of a job that ends so are discarded. */
  readonly discards: (end: JobEnd) => boolean;
}

/** A job that this process leads, before its graph is known. */
export interface OpenedJob {
  readonly checkpoints: CheckpointStore;
  readonly lineage: string;
  readonly messages: readonly string[];
  /** What the first attempt restores. */
  readonly restored: FoundSnapshot | undefined;
  readonly ancestry: Ancestry;
}

/** Finds out what to go on from, and takes the leadership of that job. */
export async function openJob(options: OpenJobOptions): Promise<OpenedJob> {
  const { store, jobName, world, from } = options;
  const named = from.kind === 'snapshot' ? await findNamed(options, from.path) : undefined;
  const known = await readNameRecord(store, jobName);
  requireGoingOn(jobName, from, known?.record);
  const rollback = known?.record.rollback;
  if (rollback !== undefined && from.kind !== 'fresh') {
    throw rollbackPendingError(jobName, rollback.url);
  }
  const head = known && (await readHead(store, known.record.jobId))?.head;
  const claim = from.kind === 'snapshot' && from.claimMode === 'CLAIM';
  if (claim && named !== undefined) await requireClaimable(store, named, known?.record);
  const record = await fenceOwn(options, named, known?.record);
  const decision = resumeDecision({
    jobName,
    storeUrl: store.url,
    record,
    head,
    options: {
      fresh: from.kind === 'fresh',
      from: named && {
        url: named.found.url,
        lineage: named.found.metadata.lineage,
        checkpointId: named.found.metadata.checkpointId,
      },
    },
  });
  if (decision.kind === 'fresh' && known !== undefined && head !== undefined) {
    await finishEnd(options, known.record, head);
  }
  const { jobId, lineage } = identityOf(decision, world);
  // Whoever leads now is fenced only by a submission that may start.
  const epochSeen = jobId === known?.record.jobId ? (head?.epoch ?? 0) : 0;
  const decidedOn = known?.record.nonce;
  await requireUnclaimed(store, jobName, decidedOn);
  const checkpoints = await acquireLeadership({
    store,
    jobId,
    lineage,
    owner: options.owner,
    leader: options.leader,
    random: world.random,
    epochSeen,
    ...(named === undefined ? {} : { base: baseOf(named), claim }),
  });
  const atMs = world.clock.wallMs();
  const { epoch } = checkpoints;
  await claimName(
    { store, random: world.random },
    { jobName, jobId, lineage, epoch, atMs },
    decidedOn,
  );
  const restored = await latestOf(checkpoints, options);
  // Its place is taken: nothing of what it has not committed is wanted any more.
  const before = known?.record.lineage === lineage ? [known.record.jobId] : [];
  const jobIds = [...(restored === undefined ? [] : [restored.metadata.jobId]), ...before];
  const ancestry = { jobIds: jobIds.filter((id) => id !== jobId), forkedFrom: undefined };
  return { checkpoints, lineage, messages: decision.messages, restored, ancestry };
}

/**
 * A run that is brought back may have ended since that was decided, under whoever led it before. It must
 * not begin anew.
 */
function requireGoingOn(jobName: string, from: StartFrom, record: NameRecord | undefined): void {
  if (from.kind !== 'resume' || from.jobId === undefined) return;
  const { jobId } = from;
  if (record?.jobId === jobId && record.state === 'running') return;
  throw runIsOverError(jobName, jobId, record?.jobId === jobId ? record.state : 'replaced');
}

/**
 * Whoever names a snapshot of the run that did not end means to go on from it: that run is over now.
 * If its process lives all the same, it cannot complete or commit anything any more.
 */
async function fenceOwn(
  { store, world, owner, leader }: OpenJobOptions,
  named: LocatedSnapshot | undefined,
  record: NameRecord | undefined,
): Promise<NameRecord | undefined> {
  if (named === undefined || record?.state !== 'running') return record;
  const { jobId, lineage } = record;
  if (named.found.metadata.lineage !== lineage) return record;
  await acquireLeadership({ store, jobId, lineage, owner, leader, random: world.random });
  return { ...record, state: 'failed' };
}

/** As an entry of the HEAD of a job that starts from it. */
export function baseOf({ found, location }: LocatedSnapshot): HeadCheckpoint {
  const { metadata, url, metadataBytes, metadataCrc32 } = found;
  const { checkpointId, kind, completedMs } = metadata;
  return { checkpointId, kind, location, url, metadataBytes, metadataCrc32, completedMs };
}

function identityOf(
  decision: ResumeDecision,
  { random }: World,
): { readonly jobId: string; readonly lineage: string } {
  if (decision.kind === 'resume') return decision;
  const jobId = randomHex(random, 32);
  const kept = decision.kind === 'restore' ? decision.lineage : undefined;
  return { jobId, lineage: kept ?? randomHex(random, 16) };
}

async function latestOf(
  checkpoints: CheckpointStore,
  stores: SnapshotStores,
): Promise<FoundSnapshot | undefined> {
  const { latest } = checkpoints;
  if (latest === undefined) return undefined;
  return readRetained(storeOf(latest.location, stores), latest);
}

export interface JobStoreOptions extends Omit<OpenJobOptions, 'from'>, OpenedJob {
  readonly identity: SnapshotIdentity;
  readonly vertices: readonly CoordinatedVertex[];
}

/** What an attempt starts from. */
export interface Restored {
  readonly from: RestoredSnapshot | undefined;
  readonly plan: RestorePlan | undefined;
  /** For people. */
  readonly messages: readonly string[];
}

/** How a job ended. */
export interface EndOfJob {
  readonly ended: JobEnd;
  /** The savepoint that it was stopped with. */
  readonly savepointUrl: string | undefined;
  /** False: it was refused before its tasks ran. */
  readonly hasRun: boolean;
}

/** The job's checkpoints as its JobMaster needs them. */
export class JobStore {
  readonly identity: SnapshotIdentity;
  readonly vertices: readonly CoordinatedVertex[];
  readonly #options: JobStoreOptions;
  readonly #checkpoints: CheckpointStore;
  #savepointsSwept = false;

  constructor(options: JobStoreOptions) {
    this.#options = options;
    this.#checkpoints = options.checkpoints;
    this.identity = options.identity;
    this.vertices = options.vertices;
  }

  get firstId(): number {
    return this.#checkpoints.firstId;
  }

  /** URLs of what is complete and kept, as this leadership last knew it. */
  retained(): readonly string[] {
    return this.#checkpoints.head.checkpoints.map(({ url }) => url);
  }

  get idsThrough(): number {
    return this.#checkpoints.head.idsThrough;
  }

  /**
   * What the next attempt restores: the checkpoint that HEAD names, or nothing.
   *
   * @throws {EngineError} `CHK-…` (`corrupt`, `invalid`) if it cannot be restored.
   * @throws {EngineError} `CHK-007`, `STO-006` (`unavailable`) if HEAD does not say what is complete.
   */
  async restore(job: ExecutionPlan, allowNonRestoredState: boolean): Promise<Restored> {
    await this.#checkpoints.settle();
    const latest = await latestOf(this.#checkpoints, this.#options);
    const entry = this.#checkpoints.latest;
    if (latest === undefined || entry === undefined) {
      return { from: undefined, plan: undefined, messages: [] };
    }
    const { metadata, url } = latest;
    const plan = planRestore({
      metadata,
      snapshot: url,
      operators: operatorsOf(job),
      allowNonRestoredState,
      continues: this.#continues(latest),
    });
    // What is committed cannot be taken back: not before it is certain that the job can go on from here.
    if (plan.committables.length > 0) await this.#verify(latest, entry.location);
    const { checkpointId, kind, operators } = metadata;
    const from = {
      checkpoint: {
        checkpointId,
        kind,
        location: entry.location,
        url,
        files: new Set(filesOfOperators(operators)),
      },
      committables: plan.committables,
      full: plan.full,
    };
    return {
      from,
      plan,
      messages: messagesOf(plan),
    };
  }

  /** @throws {EngineError} `CHK-001`, `CHK-006` (`corrupt`) if a file of the snapshot is damaged or gone. */
  async #verify({ metadata }: FoundSnapshot, location: SnapshotLocation): Promise<void> {
    const from = storeOf(location, this.#options);
    for (const { keyed, operator } of metadata.operators) {
      for (const { blob } of keyed) await readHandle(from, blob);
      if (operator !== undefined) await readHandle(from, operator);
    }
  }

  #continues({ metadata }: FoundSnapshot): 'same-job' | 'same-lineage' | 'fork' {
    if (metadata.jobId === this.identity.jobId) return 'same-job';
    return metadata.lineage === this.identity.lineage ? 'same-lineage' : 'fork';
  }

  openSavepoint(directory: string | undefined, checkpointId: number): Promise<SnapshotLocation> {
    const target =
      directory === undefined
        ? savepointStoreOf(this.#options)
        : this.#options.openStore(directory);
    return this.#checkpoints.openSavepoint(target, '', checkpointId);
  }

  /** Does what the coordinator asks of the store, and answers. */
  async perform(
    action: Extract<CoordinatorAction, { kind: 'store-metadata' | 'move-head' | 'reserve-ids' }>,
  ): Promise<CoordinatorEventBody> {
    switch (action.kind) {
      case 'reserve-ids':
        return this.#checkpoints.reserveIds(action.idsUsedThrough);
      case 'move-head':
        return this.#checkpoints.moveHead(action, storeOf(action.location, this.#options));
      case 'store-metadata': {
        const { checkpointId, location, metadata } = action;
        try {
          const target = storeOf(location, this.#options);
          return await this.#checkpoints.storeMetadata(target, location, metadata);
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          return { kind: 'metadata-failed', checkpointId, message };
        }
      }
    }
  }

  /** Removes what an aborted attempt left. */
  async discard(action: Extract<CoordinatorAction, { kind: 'discard' }>): Promise<void> {
    if (action.savepoint !== undefined) {
      const target = storeOf(action.savepoint, this.#options);
      await discardSnapshot(target, action.savepoint.folder);
    } else {
      await this.#options.store.delete(action.files);
    }
  }

  /** Sweeps once; `scope` is asked at the beginning. */
  async collectGarbage(scope: SweepScope): Promise<void> {
    const { store } = this.#options;
    const { jobId, epoch } = this.identity;
    while ((await sweepJob({ store, jobId, epoch, scope })).more);
    await forgetClaimed(this.#checkpoints, this.#options);
    if (this.#savepointsSwept) return;
    // What a process that died has left of a savepoint can only be there before our first sweep.
    this.#savepointsSwept = true;
    const target = savepointStoreOf(this.#options);
    const sweep = { store: target, directory: '', jobId, epoch, scope };
    while ((await sweepSavepoints(sweep)).more);
  }

  /**
   * Writes down how the job ended, and lets its checkpoints go if the retention says so. The name's
   * record is first: were the checkpoints gone while it still said that the job runs, a submission
   * after a crash would resume from nothing and do everything once more. And first of all it is made sure
   * that the job is still ours: whoever leads it next takes HEAD before the name, and in between the name
   * would let us end a job that is to go on.
   *
   * @throws {EngineError} `CHK-003` (`fenced`): another one leads the job, and nothing was written.
   * @throws {EngineError} `CHK-007`, `STO-…` (`unavailable`): whether it ended is not yet known to others.
   */
  async end({ ended, savepointUrl, hasRun }: EndOfJob, scope: SweepScope): Promise<void> {
    const { store, world } = this.#options;
    const { jobId, jobName, lineage, epoch } = this.identity;
    const atMs = world.clock.wallMs();
    await this.#checkpoints.confirm();
    await endName(
      { store, random: world.random },
      {
        ...{ jobName, jobId, lineage, epoch, atMs, state: ended },
        ...(savepointUrl === undefined ? {} : { savepointUrl }),
      },
    );
    const idsUsedThrough = scope.nextId - 1;
    // A job that was refused before it ran has not had its chance: what it was to restore stays.
    const discard = hasRun && this.#options.discards(ended);
    await this.#checkpoints.end(ended, { discard, idsUsedThrough });
    // HEAD has said what is complete: nothing is under way or in doubt any more.
    const over: SweepScope = { ...scope, pendingIds: new Set() };
    // Nothing will be restored from them again: not even the last ones are needed.
    await this.collectGarbage(discard ? { ...over, files: new Set() } : over);
  }
}

/**
 * Does what a job that has ended did not come to: its process died behind the name's record, before
 * or after HEAD said so too, with the last sweep still to do.
 */
async function finishEnd(options: OpenJobOptions, record: NameRecord, head: Head): Promise<void> {
  const { store, world, owner, leader } = options;
  const { jobId, lineage, state } = record;
  if (state === 'running') return;
  let { epoch } = head;
  if (head.ended === undefined) {
    const { random } = world;
    const old = await acquireLeadership({ store, jobId, lineage, owner, leader, random });
    await old.end(state, { discard: options.discards(state), idsUsedThrough: head.idsThrough });
    epoch = old.epoch;
  }
  const scope: SweepScope = { pendingIds: new Set(), files: new Set(), nextId: Infinity };
  while ((await sweepJob({ store, jobId, epoch, scope })).more);
}

function operatorsOf({ vertices }: ExecutionPlan): { uid: string; parallelism: number }[] {
  return vertices.flatMap(({ operators, parallelism }) =>
    operators.map(({ uid }) => ({ uid, parallelism })),
  );
}

function messagesOf(plan: RestorePlan): string[] {
  const messages: string[] = [];
  if (plan.dropped.length > 0) {
    messages.push(
      `State of ${plan.dropped.join(', ')} is dropped, as asked by --allowNonRestoredState.`,
    );
  }
  if (plan.leftCommittables.length > 0) {
    const uids = [...new Set(plan.leftCommittables.map(({ uid }) => uid))].join(', ');
    messages.push(
      `${plan.leftCommittables.length} pieces of output in the snapshot (of ${uids}) stay with the job that made it.`,
    );
  }
  return messages;
}

/** A run that is to be gone on with has ended, or another one has its name. */
export const RUN_IS_OVER = 'JOB-055';

function runIsOverError(jobName: string, jobId: string, state: string): EngineError {
  return new EngineError('JOB-055', 'invalid', 'the run that is to go on is over', {
    details: { jobName, jobId, state },
    hint: 'Submit the job again if it is to run once more.',
  });
}
