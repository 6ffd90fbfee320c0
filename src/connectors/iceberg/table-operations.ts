/** What an operator does with a table: look at its snapshots, go back to one, expire, remove orphans. */
import type { World } from '../../contracts/source.ts';
import { type IcebergCatalog, type LoadedTable, tableText } from './catalog.ts';
import { cannotRollBack, noSuchTable } from './errors.ts';
import { expireSnapshots as expire, expiredSnapshots, type Expiry } from './expire-snapshots.ts';
import { stampOf } from './job-stamp.ts';
import { listedManifests, liveDataFiles } from './live-files.ts';
import { unchangedSnapshots } from './table-change.ts';
import { type CommitTarget, commitToTable } from './table-commit.ts';
import { placeOf } from './table-io.ts';
import {
  ancestry,
  currentSnapshotId,
  idOf,
  parentIdOf,
  type Snapshot,
  type TableMetadata,
} from './table-metadata.ts';
import { tableName } from './table-name.ts';

/** Which table. */
export interface TableReference {
  readonly catalog: IcebergCatalog;
  /** `namespace.table`. */
  readonly table: string;
}

export interface SnapshotInfo {
  readonly id: bigint;
  readonly parentId: bigint | undefined;
  readonly sequenceNumber: bigint;
  readonly timestampMs: number;
  readonly operation: string;
  readonly addedRows: bigint | undefined;
  readonly totalRows: bigint | undefined;
  readonly addedFiles: bigint | undefined;
  readonly totalFiles: bigint | undefined;
  readonly addedBytes: bigint | undefined;
  /** Is it the one that readers see? */
  readonly isCurrent: boolean;
  /** Is it what the current one was made of, so that the table can go back to it? */
  readonly isAncestor: boolean;
  /** Of a snapshot that a job of this engine, or of Flink, has made. */
  readonly job: JobOfSnapshot | undefined;
}

export interface JobOfSnapshot {
  readonly lineage: string;
  readonly uid: string;
  readonly checkpointId: number;
}

const ATTEMPTS_MAX = 20;

/** All snapshots that the table knows, oldest first. @throws {EngineError} `ICE-002` (`invalid`). */
export async function listSnapshots(
  reference: TableReference,
  world: World,
): Promise<SnapshotInfo[]> {
  const { metadata } = await loadTable(reference, world);
  return snapshotInfos(metadata);
}

/**
 * The snapshot that holds all of a job's output up to a checkpoint: the newest of it, whose mark is not
 * beyond it. A checkpoint without output has none of its own.
 */
export function snapshotOfCheckpoint(
  snapshots: readonly SnapshotInfo[],
  wanted: { readonly uid: string; readonly lineage?: string; readonly checkpointId: number },
): SnapshotInfo | undefined {
  return snapshots.findLast(
    ({ isAncestor, job }) =>
      isAncestor &&
      job?.uid === wanted.uid &&
      (wanted.lineage === undefined || job.lineage === wanted.lineage) &&
      job.checkpointId <= wanted.checkpointId,
  );
}

/** Where to go back to: a snapshot, or the last one before a moment. */
export type RollbackTarget =
  | { readonly kind: 'snapshot'; readonly id: bigint }
  | { readonly kind: 'before'; readonly timeMs: number };

export interface Rollback {
  readonly from: SnapshotInfo;
  readonly to: SnapshotInfo;
  /** Rows that readers do not see any more; undefined if the snapshots do not tell. */
  readonly rows: bigint | undefined;
  /** Jobs whose newer checkpoints are taken back, with the newest that is still in the table. */
  readonly jobs: readonly TakenBack[];
}

export interface TakenBack {
  readonly lineage: string;
  readonly uid: string;
  readonly from: number;
  /** Undefined: none. */
  readonly to: number | undefined;
}

/**
 * Makes an older snapshot the current one. Nothing is deleted, and it can be undone by going to the newer
 * one again, as long as nothing else was committed and that one is not expired.
 *
 * Stop jobs that write to the table first, and start them from the checkpoint that the snapshot is of: a
 * job that goes on from a newer one does not write again what was taken back.
 *
 * @param dryRun Says what would be done, and does not do it.
 * @throws {EngineError} `ICE-012` (`invalid`) for a snapshot that is no ancestor of the current one.
 */
export async function rollBackTable(
  reference: TableReference,
  world: World,
  to: RollbackTarget,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<Rollback> {
  const target = targetOf(reference, world);
  if (dryRun) {
    return planRollback((await loadTable(reference, world)).metadata, reference.table, to);
  }
  return commitToTable<Rollback>(target, async ({ metadata }) => {
    const plan = planRollback(metadata, reference.table, to);
    if (plan.from.id === plan.to.id) return { kind: 'nothing', result: plan };
    const { id } = plan.to;
    return {
      kind: 'change',
      change: {
        requirements: unchangedSnapshots(metadata),
        updates: [
          { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id },
        ],
      },
      result: plan,
      isIn: (now) => currentSnapshotId(now.metadata) === id,
      undo: () => Promise.resolve(),
    };
  });
}

/** Expires snapshots as the table's properties `history.expire.*` say, and never the newest of a job. */
export async function expireSnapshots(
  reference: TableReference,
  world: World,
  { dryRun = false }: { readonly dryRun?: boolean } = {},
): Promise<Expiry> {
  if (!dryRun) return expire(targetOf(reference, world));
  const { metadata } = await loadTable(reference, world);
  return { snapshots: expiredSnapshots(metadata, world.clock.wallMs()).length, files: 0 };
}

export interface OrphanOptions {
  /** Younger files may belong to a checkpoint that is not complete yet. Default: 3 days. */
  readonly olderThanMs?: number;
  readonly dryRun?: boolean;
}

const ORPHAN_AGE_MS = 3 * 24 * 60 * 60 * 1000;

/**
 * Removes data files, manifests and manifest lists that no snapshot of the table needs. A pending
 * checkpoint's files are not in any snapshot: `olderThanMs` must be longer than a job ever stands still.
 *
 * @returns their locations.
 */
export async function removeOrphans(
  reference: TableReference,
  world: World,
  { olderThanMs = ORPHAN_AGE_MS, dryRun = false }: OrphanOptions = {},
): Promise<string[]> {
  const { metadata, io } = await loadTable(reference, world);
  const { lists, manifests } = await listedManifests(io, metadata.snapshots ?? []);
  const live = await liveDataFiles(io, manifests.values());
  const beforeMs = world.clock.wallMs() - olderThanMs;
  const orphans: string[] = [];
  for (const folder of ['data', 'metadata']) {
    for await (const { location, modifiedMs } of io.list(`${metadata.location}/${folder}`)) {
      const place = placeOf(location);
      const isKnown = lists.has(place) || manifests.has(place) || live.has(place);
      const isOurs = /\.(parquet|avro)$/.test(location);
      if (isOurs && !isKnown && modifiedMs < beforeMs) orphans.push(location);
    }
  }
  if (!dryRun && orphans.length > 0) await io.delete(orphans);
  return orphans;
}

function targetOf({ catalog, table }: TableReference, world: World): CommitTarget {
  return {
    catalog: catalog.connect(world),
    table: tableName(table),
    world,
    attemptsMax: ATTEMPTS_MAX,
  };
}

async function loadTable(reference: TableReference, world: World): Promise<LoadedTable> {
  const { catalog, table } = targetOf(reference, world);
  const loaded = await catalog.load(table);
  if (loaded === undefined) throw noSuchTable(tableText(table), catalog.url);
  return loaded;
}

function snapshotInfos(metadata: TableMetadata): SnapshotInfo[] {
  const current = currentSnapshotId(metadata);
  const ancestors = new Set(ancestry(metadata).snapshots.map(idOf));
  return (metadata.snapshots ?? [])
    .map((snapshot) => infoOf(snapshot, current, ancestors))
    .sort((a, b) => Number(a.sequenceNumber - b.sequenceNumber));
}

function infoOf(
  snapshot: Snapshot,
  current: bigint | undefined,
  ancestors: ReadonlySet<bigint>,
): SnapshotInfo {
  const { summary } = snapshot;
  const count = (name: string) => {
    const value = summary?.[name];
    return value !== undefined && /^\d+$/.test(value) ? BigInt(value) : undefined;
  };
  const id = idOf(snapshot);
  return {
    id,
    parentId: parentIdOf(snapshot),
    sequenceNumber: BigInt(snapshot['sequence-number'] ?? 0),
    timestampMs: Number(snapshot['timestamp-ms']),
    operation: summary?.['operation'] ?? '',
    addedRows: count('added-records'),
    totalRows: count('total-records'),
    addedFiles: count('added-data-files'),
    totalFiles: count('total-data-files'),
    addedBytes: count('added-files-size'),
    isCurrent: id === current,
    isAncestor: ancestors.has(id),
    job: stampOf(snapshot),
  };
}

/** Pure. @throws {EngineError} `ICE-012` (`invalid`). */
export function planRollback(
  metadata: TableMetadata,
  table: string,
  target: RollbackTarget,
): Rollback {
  const infos = snapshotInfos(metadata);
  const from = infos.find(({ isCurrent }) => isCurrent);
  if (from === undefined) throw cannotRollBack(table, 'it has no snapshot');
  const to = infos.findLast((info) =>
    target.kind === 'snapshot'
      ? info.id === target.id
      : info.isAncestor && info.timestampMs < target.timeMs,
  );
  if (to === undefined) {
    throw cannotRollBack(
      table,
      target.kind === 'snapshot' ? 'it has no such snapshot' : 'it has no snapshot of before',
    );
  }
  if (!to.isAncestor && !isMadeOf(infos, to, from.id)) {
    throw cannotRollBack(table, `${to.id} is no ancestor of the current snapshot`);
  }
  const { totalRows } = from;
  const left = to.totalRows;
  return {
    from,
    to,
    rows: totalRows === undefined || left === undefined ? undefined : totalRows - left,
    jobs: takenBack(infos, from, to),
  };
}

/** Whether a snapshot has another one among its ancestors. */
function isMadeOf(infos: readonly SnapshotInfo[], snapshot: SnapshotInfo, id: bigint): boolean {
  return lineOf(infos, snapshot).some((each) => each.id === id);
}

/** A snapshot and its ancestors, as far as they are known. */
function lineOf(infos: readonly SnapshotInfo[], snapshot: SnapshotInfo): SnapshotInfo[] {
  const byId = new Map(infos.map((info) => [info.id, info]));
  const line: SnapshotInfo[] = [];
  let at: SnapshotInfo | undefined = snapshot;
  while (at !== undefined) {
    line.push(at);
    byId.delete(at.id);
    at = at.parentId === undefined ? undefined : byId.get(at.parentId);
  }
  return line;
}

function takenBack(
  infos: readonly SnapshotInfo[],
  from: SnapshotInfo,
  to: SnapshotInfo,
): TakenBack[] {
  const newest = (of: SnapshotInfo): Map<string, JobOfSnapshot> => {
    const found = new Map<string, JobOfSnapshot>();
    for (const { job } of lineOf(infos, of)) {
      const key = JSON.stringify([job?.lineage, job?.uid]);
      if (job !== undefined && !found.has(key)) found.set(key, job);
    }
    return found;
  };
  const after = newest(to);
  return [...newest(from)].flatMap(([key, { lineage, uid, checkpointId }]) => {
    const kept = after.get(key)?.checkpointId;
    return kept === checkpointId ? [] : [{ lineage, uid, from: checkpointId, to: kept }];
  });
}
