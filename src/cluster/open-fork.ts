/**
 * A fork: a job of its own that begins with the state of another one, for a drill or to compare two versions.
 *
 * Always holds: nothing that the original has or makes is changed, claimed or removed. Of a checkpoint the
 * fork takes a copy before it starts, since the original's retention may remove it at any time; a savepoint is
 * its user's, who keeps it. Lineage, job id, and with them all names of output and of transactions are new.
 */
import { acquireLeadership } from '../checkpoint/checkpoint-store.ts';
import { copySnapshot } from '../checkpoint/copy-snapshot.ts';
import { savepointFolder } from '../checkpoint/checkpoint-layout.ts';
import { discardSnapshot } from '../checkpoint/garbage-collection.ts';
import { readRetained, type HeadCheckpoint } from '../checkpoint/head.ts';
import type { SnapshotMetadata } from '../checkpoint/metadata.ts';
import { claimName, readNameRecord, requireUnclaimed } from '../checkpoint/name-record.ts';
import { noSnapshotError } from '../checkpoint/snapshot-errors.ts';
import { EngineError } from '../common/errors.ts';
import { randomHex } from '../common/random.ts';
import { baseOf, type OpenedJob, type OpenJobOptions } from './job-store.ts';
import { latestOfJob, snapshotAt, type StoredSnapshot } from './stored-snapshot.ts';

/** A checkpoint that was removed while it was copied is followed by a newer one. */
const TRIES_MAX = 5;

type OpenForkOptions = Omit<OpenJobOptions, 'from'>;

interface Base {
  readonly entry: HeadCheckpoint;
  /** It was made for this fork, and goes with the first checkpoint that makes it needless. */
  readonly isCopy: boolean;
  /** Of the original. */
  readonly metadata: SnapshotMetadata;
  readonly url: string;
}

/**
 * Opens a new job that begins where `of` is.
 *
 * @param of See `StartFrom`.
 * @throws {EngineError} `CHK-020` (`invalid`) if there is no such snapshot.
 * @throws {EngineError} `JOB-060` (`invalid`) if the fork has the original's name, or that of a job that runs.
 * @throws {EngineError} `CHK-001`, `CHK-006` (`corrupt`) if the snapshot is damaged.
 */
export async function openFork(options: OpenForkOptions, of: string): Promise<OpenedJob> {
  const { store, world, jobName, owner, leader } = options;
  const { random } = world;
  const known = await readNameRecord(store, jobName);
  if (known?.record.state === 'running') {
    throw nameInUseError(jobName, 'a job of this name runs, or has not ended', known.record.jobId);
  }
  const jobId = randomHex(random, 32);
  const lineage = randomHex(random, 16);
  const base = await baseOfFork(options, of, jobId);
  const decidedOn = known?.record.nonce;
  await requireUnclaimed(store, jobName, decidedOn);
  const leadership = { store, jobId, lineage, owner, leader, random, epochSeen: 0 };
  const checkpoints = await acquireLeadership({
    ...leadership,
    base: base.entry,
    claim: base.isCopy,
  });
  const atMs = world.clock.wallMs();
  const claim = { jobName, jobId, lineage, epoch: checkpoints.epoch, atMs };
  await claimName({ store, random }, claim, decidedOn);
  const { location } = base.entry;
  const from = location.storeUrl === undefined ? store : options.openStore(location.storeUrl);
  return {
    checkpoints,
    lineage,
    messages: messagesOf(base, jobName),
    restored: await readRetained(from, base.entry),
    ancestry: { jobIds: [], forkedFrom: base.metadata.lineage },
  };
}

async function baseOfFork(options: OpenForkOptions, of: string, jobId: string): Promise<Base> {
  for (let tries = 1; ; tries += 1) {
    const stored = await original(options, of);
    const { metadata, url } = stored.found;
    if (metadata.jobName === options.jobName) {
      throw nameInUseError(options.jobName, 'it is the name of the original', metadata.jobId);
    }
    if (metadata.kind === 'savepoint') {
      const storeUrl = stored.store.url === options.store.url ? undefined : stored.store.url;
      const location = { storeUrl, folder: stored.found.folder };
      const entry = baseOf({ found: stored.found, location });
      return { entry, isCopy: false, metadata, url };
    }
    try {
      return { entry: await copied(options, stored, jobId), isCopy: true, metadata, url };
    } catch (error) {
      if (tries >= TRIES_MAX || !(await hasMovedOn(options, of, url))) throw error;
    }
  }
}

/** The copy lies in the fork's own folder, where nobody takes it for a savepoint of the original. */
async function copied(
  { store, world }: OpenForkOptions,
  { store: from, found }: StoredSnapshot,
  jobId: string,
): Promise<HeadCheckpoint> {
  const folder = savepointFolder(jobId, jobId, world.random);
  try {
    const copy = await copySnapshot({ from, found, to: store, folder, jobId });
    return baseOf({ found: copy, location: { storeUrl: undefined, folder } });
  } catch (error) {
    // What stays all the same is known by its marker.
    await discardSnapshot(store, folder).catch(() => undefined);
    throw error;
  }
}

async function original(
  { store, openStore }: OpenForkOptions,
  of: string,
): Promise<StoredSnapshot> {
  const isPath = of.includes('/');
  const stored = await (isPath ? snapshotAt(of, openStore) : latestOfJob(of, store, openStore));
  if (stored === undefined) throw noSnapshotError(of, store.url);
  return stored;
}

/** Whether the job that is forked has another latest checkpoint by now. */
async function hasMovedOn(options: OpenForkOptions, of: string, url: string): Promise<boolean> {
  if (of.includes('/')) return false;
  return (await original(options, of)).found.url !== url;
}

function messagesOf({ metadata, url, isCopy }: Base, jobName: string): readonly string[] {
  const { jobName: name, jobId, checkpointId } = metadata;
  const what = `checkpoint ${checkpointId} of '${name}' (job ${jobId})`;
  return [
    `Forking '${jobName}' from ${what}: ${url}`,
    isCopy
      ? "Its state was copied: the fork needs nothing of the original's."
      : 'The savepoint stays as it is: keep it until the first checkpoint of the fork.',
  ];
}

function nameInUseError(jobName: string, why: string, jobId: string): EngineError {
  return new EngineError('JOB-060', 'invalid', 'a fork needs a name of its own', {
    details: { jobName, why, jobId },
    hint: 'Give it another one with --name.',
  });
}
