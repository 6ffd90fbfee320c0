/**
 * The checkpoints of one job under one leadership. Everything that makes a checkpoint complete goes
 * through here, and every step of it is a compare-and-swap of HEAD under our epoch.
 *
 * Always holds: an object of this class was the leader when it was made; once another one leads,
 * every call that could change what is complete fails with `fenced` and changes nothing. A checkpoint
 * is called refused only if HEAD does not name it and no write that could make it so is open.
 */
import { assert } from '../common/assert.ts';
import { randomHex, type Random } from '../common/random.ts';
import { EngineError } from '../common/errors.ts';
import { crc32 } from '../common/crc32.ts';
import type { CheckpointId } from '../contracts/snapshots.ts';
import type { BlobStore, Etag } from '../storage/blob-store.ts';
import { REFUSED_WRITE } from '../storage/storage-errors.ts';
import { IN_PROGRESS_NAME, jobPaths, metadataPath, savepointFolder } from './checkpoint-layout.ts';
import type {
  CoordinatorAction,
  CoordinatorEventBody,
  SnapshotLocation,
} from './coordinator-types.ts';
import {
  fencedError,
  headBusyError,
  laterLeaderError,
  takenFileError,
  submittedTwiceError,
} from './errors.ts';
import { encodeFramed } from './framed-json.ts';
import {
  encodeHead,
  readHead,
  type Claim,
  type ClusterLeader,
  type FoundHead,
  type Head,
  type HeadCheckpoint,
} from './head.ts';
import { encodeMetadata, type SnapshotMetadata } from './metadata.ts';
import { retainNewest, type JobEnd } from './retention.ts';

export interface LeadershipOptions {
  readonly store: BlobStore;
  readonly jobId: string;
  /** For a job that is new; a resumed one keeps its own. */
  readonly lineage: string;
  /** For people: host and process. */
  readonly owner: string;
  readonly random: Random;
  /** What a new job starts from: failures before its first checkpoint restore it again. */
  readonly base?: HeadCheckpoint;
  /** The base is the job's from now on. Default false. */
  readonly claim?: boolean;
  /** The leadership by which it was decided to take over; 0: there was none. Default: whatever there is. */
  readonly epochSeen?: number;
  /** For whom the job is led. Default: for nobody but itself; then no leadership of a cluster counts. */
  readonly leader?: ClusterLeader | undefined;
}

/** Reserved with each write of HEAD. A crash of the leader skips at most as many ids. */
const IDS_RESERVED = 4;
const TRIES_MAX = 3;
/** The leader before may well go on completing checkpoints; each one is a race lost. */
const ACQUIRE_TRIES_MAX = 50;

type MoveHead = Extract<CoordinatorAction, { kind: 'move-head' }>;
type HeadAnswer = Extract<CoordinatorEventBody, { kind: 'head-moved' | 'head-failed' }>;
type IdsAnswer = Extract<CoordinatorEventBody, { kind: 'ids-reserved' | 'ids-not-reserved' }>;

/**
 * Makes the caller the leader of the job, and every earlier one a fenced one. To be called before
 * anything is read or decided. Whoever judges leases does so before it calls this.
 *
 * @throws {EngineError} `CHK-007` (`unavailable`) if HEAD could not be moved.
 * @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`) if HEAD cannot be read.
 * @throws {EngineError} `CHK-013` (`fenced`) if another one leads than `epochSeen`.
 * @throws {EngineError} `CHK-014` (`fenced`) if a later leader of the same cluster has the job.
 */
export async function acquireLeadership(options: LeadershipOptions): Promise<CheckpointStore> {
  const { store, jobId, random } = options;
  const nonce = randomHex(random, 16);
  const path = jobPaths(jobId).head;
  let cause: unknown;
  for (let tries = 0; tries < ACQUIRE_TRIES_MAX; tries += 1) {
    try {
      const found = await readHead(store, jobId);
      if (found?.head.nonce === nonce) return new CheckpointStore(options, found);
      // A process that stood still since it decided must not fence those who came meanwhile.
      if ((found?.head.epoch ?? 0) > (options.epochSeen ?? Infinity)) {
        throw submittedTwiceError(`${store.url}/${path}`, found?.head.owner ?? '');
      }
      requireLatestLeader(`${store.url}/${path}`, options.leader, found?.head.leader);
      const head = newLeadership(options, found?.head, nonce);
      const etag = await store.replaceIf(path, encodeHead(head), found?.etag);
      if (etag !== 'changed') return new CheckpointStore(options, { head, etag });
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      cause = error;
    }
  }
  // The last try may have succeeded with its answer lost.
  const found = await readHead(store, jobId);
  if (found?.head.nonce === nonce) return new CheckpointStore(options, found);
  throw headBusyError(`${store.url}/${path}`, ACQUIRE_TRIES_MAX, cause);
}

/** A JobManager that was replaced and does not know it yet must not take a job from its successor. */
function requireLatestLeader(
  path: string,
  own: ClusterLeader | undefined,
  found: ClusterLeader | undefined,
): void {
  if (own === undefined || own.leaseId !== found?.leaseId || own.epoch >= found.epoch) return;
  throw laterLeaderError(path, own.epoch, found.epoch);
}

function newLeadership(options: LeadershipOptions, before: Head | undefined, nonce: string): Head {
  const { jobId, lineage, owner, base } = options;
  const fresh: Omit<Head, 'nonce' | 'owner'> = {
    jobId,
    lineage,
    epoch: 0,
    idsThrough: base?.checkpointId ?? 0,
    checkpoints: base === undefined ? [] : [base],
    ...(base !== undefined && options.claim === true ? { claims: [claimOf(base)] } : {}),
  };
  const { ended: _ended, leader: _leader, ...kept } = before ?? fresh;
  return {
    ...kept,
    ...(options.leader !== undefined && { leader: options.leader }),
    epoch: kept.epoch + 1,
    idsThrough: kept.idsThrough + IDS_RESERVED,
    owner,
    nonce,
  };
}

function claimOf({ kind, location, url }: HeadCheckpoint): Claim {
  return { kind, location, url };
}

export class CheckpointStore {
  readonly store: BlobStore;
  readonly jobId: string;
  readonly epoch: number;
  /** Ids of this epoch begin here. */
  readonly firstId: CheckpointId;
  readonly #random: Random;
  #head: Head;
  #etag: Etag;
  /** HEAD is changed by one call at a time. */
  #last: Promise<unknown> = Promise.resolve();
  /** What the coordinator knows to be retained. */
  #retained: readonly CheckpointId[];
  /** Writes that were to make it complete may have taken effect, or, in a slow store, may do so yet. */
  #inDoubt: CheckpointId | undefined;

  /** Made by `acquireLeadership`. */
  constructor(options: LeadershipOptions, { head, etag }: FoundHead) {
    this.store = options.store;
    this.jobId = options.jobId;
    this.epoch = head.epoch;
    this.firstId = head.idsThrough - IDS_RESERVED + 1;
    this.#random = options.random;
    this.#head = head;
    this.#etag = etag;
    this.#retained = head.checkpoints.map(({ checkpointId }) => checkpointId);
  }

  /** As this leader last knew it. */
  get head(): Head {
    return this.#head;
  }

  /** What a failure restores. */
  get latest(): HeadCheckpoint | undefined {
    return this.#head.checkpoints.at(-1);
  }

  /**
   * Opens a savepoint's folder. What a crash leaves of it is known by the marker in it.
   *
   * @param target The store that the savepoint goes to; the job's own or another.
   * @throws {EngineError} `STO-001` (`unavailable`).
   */
  async openSavepoint(
    target: BlobStore,
    directory: string,
    checkpointId: CheckpointId,
  ): Promise<SnapshotLocation> {
    const folder = savepointFolder(directory, this.jobId, this.#random);
    const { jobId, epoch } = this;
    const marker = { formatVersion: 1, minReader: 1, jobId, epoch, checkpointId };
    const path = `${folder}/${IN_PROGRESS_NAME}`;
    const etag = await target.create(path, encodeFramed('in-progress', marker));
    if (etag === 'taken') throw takenFileError(`${target.url}/${path}`);
    return { storeUrl: target.url === this.store.url ? undefined : target.url, folder };
  }

  /**
   * Writes `_metadata`, after all files that it names. The checkpoint is not complete by it.
   *
   * @throws {EngineError} `STO-001` (`unavailable`), `CHK-008` (`invalid`) if another one is there.
   */
  async storeMetadata(
    target: BlobStore,
    location: SnapshotLocation,
    metadata: SnapshotMetadata,
  ): Promise<Extract<CoordinatorEventBody, { kind: 'metadata-stored' }>> {
    assert(metadata.epoch === this.epoch, `metadata of epoch ${metadata.epoch} in ${this.epoch}`);
    const { folder } = location;
    const path = metadataPath(folder);
    const bytes = encodeMetadata(metadata, folder);
    await createOnce(target, path, bytes);
    return {
      kind: 'metadata-stored',
      checkpointId: metadata.checkpointId,
      url: `${target.url}/${folder}`,
      metadataBytes: bytes.length,
      metadataCrc32: crc32(bytes),
    };
  }

  /**
   * Completes a checkpoint, or says how it went. May be called again for the same one. Never throws
   * for what the store does; the answer goes to the coordinator.
   *
   * `refused`: it is not complete and cannot become so. `unknown`: it may be complete; only a change of
   * HEAD that succeeds can tell, by another call of this, or by `settle`.
   *
   * @param target The store that the snapshot is in.
   */
  async moveHead(action: MoveHead, target: BlobStore = this.store): Promise<HeadAnswer> {
    const { checkpointId } = action;
    try {
      await this.#change((before) => withCheckpoint(before, action));
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const outcome = this.#outcomeOf(error, action);
      const { message } = error;
      if (outcome !== 'moved') return { kind: 'head-failed', checkpointId, outcome, message };
    }
    const now = this.#head.checkpoints.map((checkpoint) => checkpoint.checkpointId);
    const dropped = this.#retained.filter((id) => !now.includes(id));
    this.#retained = now;
    if (action.snapshot === 'savepoint') await closeSavepoint(target, action.location);
    return { kind: 'head-moved', checkpointId, idsThrough: this.#head.idsThrough, dropped };
  }

  #outcomeOf(
    error: EngineError,
    { checkpointId, becomesLatest }: MoveHead,
  ): 'moved' | 'refused' | 'fenced' | 'unknown' {
    if (error.kind === 'fenced') return 'fenced';
    // An earlier write did it, and HEAD was read since; only to write it once more failed.
    if (becomesLatest && this.latest?.checkpointId === checkpointId) {
      this.#inDoubt = undefined;
      return 'moved';
    }
    if (error.code === REFUSED_WRITE && this.#inDoubt !== checkpointId) return 'refused';
    this.#inDoubt = checkpointId;
    return 'unknown';
  }

  /**
   * Finds out what HEAD says, if the last answer of `moveHead` left that open. By a change, so that no
   * write from before it can take effect later. To be called before anything is restored.
   *
   * @throws {EngineError} `CHK-003` (`fenced`), `CHK-007`, `STO-006` (`unavailable`): it is still open.
   */
  async settle(): Promise<void> {
    if (this.#inDoubt !== undefined) await this.confirm();
  }

  /** Makes further ids ours. */
  async reserveIds(idsUsedThrough: CheckpointId): Promise<IdsAnswer> {
    try {
      const head = await this.#change((before) => withIds(before, idsUsedThrough));
      return { kind: 'ids-reserved', idsThrough: head.idsThrough };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const outcome = error.kind === 'fenced' ? 'fenced' : 'failed';
      return { kind: 'ids-not-reserved', outcome, message: error.message };
    }
  }

  /**
   * The job is over: writes down how, and lets go of its checkpoints if they are to be discarded.
   * Their files go with the next sweep.
   *
   * @throws {EngineError} `CHK-003` (`fenced`), `CHK-007` (`unavailable`).
   */
  async end(
    ended: JobEnd,
    options: { readonly discard: boolean; readonly idsUsedThrough: CheckpointId },
  ): Promise<void> {
    await this.#change((before) => ({
      ...before,
      ended,
      idsThrough: Math.max(options.idsUsedThrough, this.firstId - 1),
      checkpoints: options.discard ? [] : before.checkpoints,
    }));
  }

  /**
   * Makes an older checkpoint the latest one: later ones are not retained any more. Their ids are never
   * used again.
   *
   * @throws {EngineError} `CHK-003` (`fenced`), `CHK-007` (`unavailable`).
   */
  async rollBack(checkpointId: CheckpointId): Promise<void> {
    await this.#change((before) => ({
      ...before,
      checkpoints: before.checkpoints.filter((retained) => retained.checkpointId <= checkpointId),
    }));
    this.#retained = this.#head.checkpoints.map((retained) => retained.checkpointId);
  }

  /** Snapshots that were taken over, and are not retained any more. */
  get forgotten(): readonly Claim[] {
    const { claims = [], checkpoints } = this.#head;
    return claims.filter(({ url }) => !checkpoints.some((retained) => retained.url === url));
  }

  /** They are gone. @throws {EngineError} `CHK-003` (`fenced`), `CHK-007` (`unavailable`). */
  async removed(gone: readonly Claim[]): Promise<void> {
    const urls = new Set(gone.map(({ url }) => url));
    await this.#change(({ claims = [], ...before }) => {
      const left = claims.filter(({ url }) => !urls.has(url));
      return left.length === 0 ? before : { ...before, claims: left };
    });
  }

  /** A checkpoint is another job's from now on. @throws {EngineError} as `removed`. */
  async handOver(url: string): Promise<void> {
    await this.#change((before) => ({
      ...before,
      checkpoints: before.checkpoints.filter((retained) => retained.url !== url),
    }));
  }

  /** Fails unless we still lead. @throws {EngineError} `CHK-003` (`fenced`), `CHK-007` (`unavailable`). */
  async confirm(): Promise<void> {
    await this.#change((before) => before);
  }

  #change(next: (before: Head) => Head): Promise<Head> {
    const changed = this.#last.then(
      () => this.#swap(next),
      () => this.#swap(next),
    );
    this.#last = changed.catch(() => undefined);
    return changed;
  }

  /**
   * `next` must lead to the same when it is applied to its own result: after a lost answer it is.
   *
   * @throws {EngineError} `STO-006` (`unavailable`) if no try took effect, `CHK-007` if one may have.
   */
  async #swap(next: (before: Head) => Head): Promise<Head> {
    const nonce = randomHex(this.#random, 16);
    const path = jobPaths(this.jobId).head;
    let cause: EngineError | undefined;
    let mayHaveWritten = false;
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const head = { ...next(this.#head), nonce };
      try {
        const etag = await this.store.replaceIf(path, encodeHead(head), this.#etag);
        if (etag !== 'changed') return this.#changed({ head, etag });
        const found = await this.#reread();
        if (found.head.nonce === nonce) return this.#changed(found);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        cause = error;
        mayHaveWritten ||= !isRefusedWrite(error);
      }
    }
    if (!mayHaveWritten && cause !== undefined) throw cause;
    const found = await this.#reread();
    if (found.head.nonce === nonce) return this.#changed(found);
    throw headBusyError(`${this.store.url}/${path}`, TRIES_MAX, cause);
  }

  /** HEAD is another version than any open write expects: none of them can take effect any more. */
  #changed(found: FoundHead): Head {
    this.#inDoubt = undefined;
    return this.#hold(found);
  }

  async #reread(): Promise<FoundHead> {
    const found = await readHead(this.store, this.jobId);
    if (found?.head.epoch !== this.epoch) {
      const path = `${this.store.url}/${jobPaths(this.jobId).head}`;
      throw fencedError(path, this.epoch, found?.head.epoch);
    }
    this.#hold(found);
    return found;
  }

  #hold({ head, etag }: FoundHead): Head {
    this.#head = head;
    this.#etag = etag;
    return head;
  }
}

function withCheckpoint(before: Head, action: MoveHead): Head {
  const { checkpointId, snapshot, location, url, completedMs, numRetained } = action;
  const { metadataBytes, metadataCrc32 } = action;
  const after = withIds(before, action.idsUsedThrough);
  const last = before.checkpoints.at(-1)?.checkpointId ?? 0;
  if (!action.becomesLatest || last === checkpointId) return after;
  assert(last < checkpointId, `HEAD would go back from ${last} to ${checkpointId}`);
  const entry: HeadCheckpoint = {
    checkpointId,
    kind: snapshot,
    location,
    url,
    metadataBytes,
    metadataCrc32,
    completedMs,
  };
  return { ...after, checkpoints: retainNewest([...before.checkpoints, entry], numRetained) };
}

function withIds(before: Head, idsUsedThrough: CheckpointId): Head {
  const idsThrough = Math.max(before.idsThrough, idsUsedThrough + IDS_RESERVED);
  return { ...before, idsThrough };
}

/**
 * Creates a file whose content nobody else writes, though an answer be lost. What a failed write left
 * can be read and still be gone after a crash: only a second call says that it is there to stay.
 */
export async function createOnce(
  target: BlobStore,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const stored = await target.create(path, bytes).catch((error: unknown) => {
    if (isUnavailable(error)) return target.create(path, bytes);
    throw error;
  });
  if (stored !== 'taken') return;
  const found = await target.read(path);
  if (found === undefined || !sameBytes(found.bytes, bytes)) {
    throw takenFileError(`${target.url}/${path}`);
  }
}

/** Takes the marker away. Best effort: the sweep does it otherwise. */
async function closeSavepoint(target: BlobStore, { folder }: SnapshotLocation): Promise<void> {
  await target.delete([`${folder}/${IN_PROGRESS_NAME}`]).catch(() => undefined);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function isUnavailable(error: unknown): error is EngineError {
  return error instanceof EngineError && error.kind === 'unavailable';
}

function isRefusedWrite(error: unknown): boolean {
  return error instanceof EngineError && error.code === REFUSED_WRITE;
}
