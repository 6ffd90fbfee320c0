/**
 * Finds what the retention rules let go in a storage, and removes it.
 *
 * Always holds: a checkpoint leaves HEAD, by compare-and-swap, before a file of it goes, and a savepoint loses its
 * `_metadata` first; so whatever is interrupted, a snapshot exists whole or not at all, and the next time goes on.
 * Only jobs that are over are touched. What a job that may go on, the record of a name, or another job's HEAD
 * refers to is kept.
 */
import { EngineError } from '../common/errors.ts';
import { randomHex, type Random } from '../common/random.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { IN_PROGRESS_NAME, jobPaths, METADATA_NAME, stampOfFile } from './checkpoint-layout.ts';
import { disposeSavepoint } from './dispose-savepoint.ts';
import { sweepJob } from './garbage-collection.ts';
import { acquireLeadership } from './checkpoint-store.ts';
import { encodeHead, readHead, readRetained, type Head, type HeadCheckpoint } from './head.ts';
import { allNameRecords, type NameRecord } from './name-record.ts';
import {
  judgeCheckpoints,
  judgeSavepoints,
  type RetentionRules,
  type Verdict,
} from './retention-rules.ts';
import { jobsOf, listSnapshots } from './snapshot-list.ts';

/** One savepoint, checkpoint, or what a crash has left of one. */
export interface PruneItem extends Verdict {
  readonly kind: 'savepoint' | 'checkpoint' | 'remains';
  readonly url: string;
  readonly jobId: string;
  readonly jobName: string;
  readonly completedMs: number;
  readonly sizeBytes: number;
  readonly label: string | undefined;
}

export interface PruneOptions {
  /** The jobs' checkpoints. */
  readonly store: BlobStore;
  /** Where savepoints are; the same one, or others. */
  readonly savepoints: readonly BlobStore[];
  readonly openStore: (url: string) => BlobStore;
  readonly random: Random;
  readonly rules: RetentionRules;
  readonly nowMs: number;
}

export interface PrunePlan {
  readonly items: readonly PruneItem[];
  /** Snapshots that cannot be read: they are left alone. */
  readonly unreadable: readonly { readonly url: string; readonly error: EngineError }[];
}

/** Files of something half made or half removed are left alone for so long: somebody may be at it. */
const REMAINS_MS = 86_400_000;

interface StoredCheckpoint {
  readonly entry: HeadCheckpoint;
  readonly jobName: string;
  readonly stateBytes: number;
}

interface Storage {
  readonly heads: ReadonlyMap<string, Head>;
  readonly names: readonly NameRecord[];
  /** Those in the folders of their own jobs, oldest first, by job. */
  readonly checkpoints: ReadonlyMap<string, readonly StoredCheckpoint[]>;
  readonly unreadable: PrunePlan['unreadable'];
  /** Jobs that never ended, whose name a later one has. */
  readonly replaced: ReadonlySet<string>;
}

/** What there is, and what would become of it. @throws {EngineError} `STO-…` (`unavailable`) */
export async function planPrune(options: PruneOptions): Promise<PrunePlan> {
  const { store, savepoints, rules, nowMs } = options;
  const storage = await readStorage(store);
  const used = usedUrls(storage);
  const items: PruneItem[] = [...checkpointsOf(storage, used, options)];
  const unreadable = [...storage.unreadable];
  const known = new Set(unreadable.map(({ url }) => url));
  for (const one of savepoints) {
    const listed = await listSnapshots(one);
    // Those of jobs are known already.
    unreadable.push(...listed.unreadable.filter(({ url }) => !known.has(url)));
    const found = listed.snapshots.filter(({ kind, complete }) => kind === 'savepoint' && complete);
    const facts = found.map((each) => ({ ...each, usedBy: used.get(each.url) }));
    const verdicts = judgeSavepoints(facts, rules, nowMs);
    for (const { url, jobId, jobName, completedMs, folderBytes, label } of found) {
      const verdict = verdicts.get(url) ?? { keep: true, why: 'it came meanwhile' };
      const what = { url, jobId, jobName, completedMs, sizeBytes: folderBytes, label };
      items.push({ kind: 'savepoint', ...what, ...verdict });
    }
    items.push(...(await remainsIn(one, storage, options)));
  }
  return { items, unreadable };
}

/**
 * Removes what the plan lets go. What has come to be used since, or changes meanwhile, stays.
 *
 * @param onRemoved Called for each that is gone.
 * @throws {EngineError} `STO-…` (`unavailable`); calling it again with a new plan goes on.
 */
export async function applyPrune(
  { items }: PrunePlan,
  options: PruneOptions,
  onRemoved: (item: PruneItem) => void,
): Promise<void> {
  const { store, openStore } = options;
  const going = items.filter(({ keep }) => !keep);
  for (const item of going) {
    if (item.kind === 'savepoint') {
      const isGone = await unlessRefused(() => disposeSavepoint({ store, openStore }, item.url));
      if (isGone) onRemoved(item);
    }
    if (item.kind === 'remains') {
      await removeRemains(item, options);
      onRemoved(item);
    }
  }
  const checkpoints = going.filter(({ kind }) => kind === 'checkpoint');
  const replaced = new Set((await readStorage(store)).replaced);
  for (const jobId of await jobsOf(store)) {
    const gone = checkpoints.filter((item) => item.jobId === jobId);
    // One that is over is swept in any case: an earlier run may have been interrupted.
    const isReplaced = gone.length > 0 && replaced.has(jobId);
    const isDone = await unlessRefused(() => pruneJob({ jobId, gone, isReplaced }, options));
    if (isDone) for (const item of gone) onRemoved(item);
  }
}

async function readStorage(store: BlobStore): Promise<Storage> {
  const heads = new Map<string, Head>();
  const checkpoints = new Map<string, readonly StoredCheckpoint[]>();
  const unreadable: { url: string; error: EngineError }[] = [];
  const names = await allNameRecords(store);
  const replaced = new Set<string>();
  for (const jobId of await jobsOf(store)) {
    const found = await readHead(store, jobId);
    if (found === undefined) continue;
    const { head } = found;
    heads.set(jobId, head);
    const own: StoredCheckpoint[] = [];
    for (const entry of head.checkpoints) {
      if (!isInside(jobId, entry.location)) continue;
      try {
        const { jobName, stateBytes } = (await readRetained(store, entry)).metadata;
        own.push({ entry, jobName, stateBytes });
        const name = names.find((record) => record.jobName === jobName);
        if (head.ended === undefined && name !== undefined && name.jobId !== jobId) {
          replaced.add(jobId);
        }
      } catch (error) {
        if (!(error instanceof EngineError) || error.kind === 'unavailable') throw error;
        unreadable.push({ url: entry.url, error });
      }
    }
    checkpoints.set(jobId, own);
  }
  return { heads, names, checkpoints, unreadable, replaced };
}

/** Whatever something would be restored from, and what that is. */
function usedUrls({ heads, names }: Storage): ReadonlyMap<string, string> {
  const used = new Map<string, string>();
  for (const { savepointUrl, jobName } of names) {
    if (savepointUrl !== undefined) used.set(savepointUrl, `'${jobName}' was stopped with it`);
  }
  for (const { jobId, checkpoints, claims = [] } of heads.values()) {
    for (const { url } of claims) used.set(url, `job ${jobId} has claimed it`);
    for (const { url, location } of checkpoints) {
      if (!isInside(jobId, location)) used.set(url, `job ${jobId} would be restored from it`);
    }
  }
  return used;
}

function isInside(jobId: string, { storeUrl, folder }: HeadCheckpoint['location']): boolean {
  return storeUrl === undefined && folder.startsWith(`${jobId}/`);
}

function checkpointsOf(
  { heads, names, checkpoints, replaced }: Storage,
  used: ReadonlyMap<string, string>,
  { rules, nowMs }: PruneOptions,
): readonly PruneItem[] {
  return [...heads.values()].flatMap(({ jobId, ended }) => {
    const own = checkpoints.get(jobId) ?? [];
    const name = names.find((record) => record.jobId === jobId);
    const facts = own.map(({ entry: { url, completedMs } }, at) => {
      const isLatest = at === own.length - 1;
      const byName = isLatest && name !== undefined ? `the latest of '${name.jobName}'` : undefined;
      return { url, completedMs, usedBy: used.get(url) ?? byName };
    });
    const youngestMs = nowMs - (facts.at(-1)?.completedMs ?? nowMs);
    const isOver = ended !== undefined || (replaced.has(jobId) && youngestMs >= rules.checkpointMs);
    const verdicts = isOver
      ? judgeCheckpoints(facts, rules, nowMs)
      : own.map((): Verdict => ({ keep: true, why: 'its job has not ended' }));
    return own.map(({ entry: { url, completedMs }, jobName, stateBytes }, at): PruneItem => ({
      kind: 'checkpoint',
      ...{ url, jobId, jobName, completedMs, sizeBytes: stateBytes, label: undefined },
      ...(verdicts[at] ?? { keep: true, why: '' }),
    }));
  });
}

interface JobToPrune {
  readonly jobId: string;
  readonly gone: readonly PruneItem[];
  /** It never ended, and a later one has its name: whoever may live of it is fenced. */
  readonly isReplaced: boolean;
}

/** Takes checkpoints out of the HEAD of a job that is over, then their files; at last HEAD itself. */
async function pruneJob(
  { jobId, gone, isReplaced }: JobToPrune,
  { store, random }: PruneOptions,
): Promise<boolean> {
  if (isReplaced) await endReplaced(jobId, store, random);
  const found = await readHead(store, jobId);
  if (found?.head.ended === undefined) return false;
  const { head, etag } = found;
  const urls = new Set(gone.map(({ url }) => url));
  const checkpoints = head.checkpoints.filter(({ url }) => !urls.has(url));
  if (checkpoints.length < head.checkpoints.length) {
    const after = encodeHead({ ...head, checkpoints, nonce: randomHex(random, 16) });
    // Somebody has taken the job up again: it is theirs.
    if ((await store.replaceIf(jobPaths(jobId).head, after, etag)) === 'changed') return false;
  }
  const scope = { pendingIds: new Set<number>(), files: new Set<string>(), nextId: Infinity };
  const { epoch } = head;
  for (;;) {
    const { more, blocked } = await sweepJob({ store, jobId, epoch, scope });
    if (blocked !== undefined) return false;
    if (!more) break;
  }
  const names = await allNameRecords(store);
  const isNamed = names.some((record) => record.jobId === jobId);
  const isEmpty = checkpoints.length === 0 && (head.claims ?? []).length === 0;
  if (isEmpty && !isNamed) await store.delete([jobPaths(jobId).head]);
  return true;
}

async function endReplaced(jobId: string, store: BlobStore, random: Random): Promise<void> {
  const found = await readHead(store, jobId);
  if (found === undefined || found.head.ended !== undefined) return;
  const { lineage, epoch: epochSeen } = found.head;
  const leadership = { store, jobId, lineage, owner: 'prune', random, epochSeen };
  const leader = await acquireLeadership(leadership);
  const idsUsedThrough = leader.head.idsThrough;
  await leader.end('failed', { discard: false, idsUsedThrough });
}

/** False: it is used or led by somebody now, or has gone by itself. */
async function unlessRefused(work: () => Promise<unknown>): Promise<boolean> {
  try {
    return (await work()) !== false;
  } catch (error) {
    if (error instanceof EngineError && error.kind !== 'unavailable') return false;
    throw error;
  }
}

/** Folders of savepoints, and of copies for forks, that are none: half made, or half removed. */
async function remainsIn(
  store: BlobStore,
  { heads }: Storage,
  { nowMs }: PruneOptions,
): Promise<readonly PruneItem[]> {
  interface Remains {
    bytes: number;
    latestMs: number;
    isWhole: boolean;
  }
  const folders = new Map<string, Remains>();
  for await (const { path, sizeBytes, modifiedMs } of store.list('')) {
    const folder = /^(?:[0-9a-f]{32}\/)?savepoint-[0-9a-f]{6}-[0-9a-f]{12}(?=\/)/.exec(path)?.[0];
    if (folder === undefined) continue;
    const before = folders.get(folder) ?? { bytes: 0, latestMs: 0, isWhole: false };
    const name = path.slice(folder.length + 1);
    // The copy for a fork that never came to lead is nobody's.
    const owner = /^[0-9a-f]{32}(?=\/)/.exec(folder)?.[0];
    const isOwned = owner === undefined ? name === METADATA_NAME : heads.has(owner);
    folders.set(folder, {
      bytes: before.bytes + sizeBytes,
      latestMs: Math.max(before.latestMs, modifiedMs),
      isWhole: before.isWhole || isOwned,
    });
  }
  return [...folders]
    .filter(([, { isWhole, latestMs }]) => !isWhole && nowMs - latestMs > REMAINS_MS)
    .map(([folder, { bytes, latestMs }]) => ({
      kind: 'remains',
      ...{ url: `${store.url}/${folder}`, jobId: '', jobName: '', completedMs: latestMs },
      ...{ sizeBytes: bytes, label: undefined, keep: false },
      why: 'no snapshot: it was not finished, or half removed',
    }));
}

async function removeRemains({ url }: PruneItem, { savepoints }: PruneOptions): Promise<void> {
  const store = savepoints.find((one) => url.startsWith(`${one.url}/`));
  if (store === undefined) return;
  const folder = url.slice(store.url.length + 1);
  const paths: string[] = [];
  for await (const { path } of store.list(folder)) paths.push(path);
  // A copy that is whole all the same: nobody leads its job.
  await store.delete(paths.filter((path) => path === `${folder}/${METADATA_NAME}`));
  await store.delete(paths.filter((path) => stampOfFile(path) !== undefined));
  await store.delete([`${folder}/${IN_PROGRESS_NAME}`]);
}
