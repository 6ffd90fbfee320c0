/**
 * Forgets old snapshots and removes the files that only they needed, by the table's properties
 * `history.expire.max-snapshot-age-ms` (5 days) and `history.expire.min-snapshots-to-keep` (1).
 *
 * The newest snapshot of each sink of each job stays, however old: it says what is in the table, and
 * without it a restored job could not tell what it has committed.
 */
import { listedManifests, liveDataFiles } from './live-files.ts';
import { newestStamped } from './job-stamp.ts';
import { unchangedSnapshots } from './table-change.ts';
import { type CommitTarget, commitToTable } from './table-commit.ts';
import { placeOf } from './table-io.ts';
import {
  ancestry,
  idOf,
  propertyOf,
  type Snapshot,
  snapshotById,
  type TableMetadata,
} from './table-metadata.ts';

const MAX_AGE_MS = 5 * 24 * 60 * 60 * 1000;

/** Which snapshots are to go. Pure. */
export function expiredSnapshots(metadata: TableMetadata, nowMs: number): readonly Snapshot[] {
  const maxAgeMs = propertyOf(metadata, 'history.expire.max-snapshot-age-ms', MAX_AGE_MS);
  const keep = Math.max(1, propertyOf(metadata, 'history.expire.min-snapshots-to-keep', 1));
  const kept = new Set<bigint>();
  const { snapshots } = ancestry(metadata);
  for (const snapshot of snapshots.slice(0, keep)) kept.add(idOf(snapshot));
  for (const snapshot of newestStamped(metadata)) kept.add(idOf(snapshot));
  // Tags and other branches are somebody's: what they name stays.
  for (const ref of Object.values(metadata.refs ?? {})) kept.add(BigInt(ref['snapshot-id']));
  const mainOnly = Object.keys(metadata.refs ?? {}).every((name) => name === 'main');
  return (metadata.snapshots ?? []).filter((snapshot) => {
    const isOld = Number(snapshot['timestamp-ms']) < nowMs - maxAgeMs;
    const isOther = !snapshots.includes(snapshot);
    return isOld && !kept.has(idOf(snapshot)) && (mainOnly || !isOther);
  });
}

export interface Expiry {
  readonly snapshots: number;
  readonly files: number;
}

/** @throws {EngineError} as `commitToTable`; `ICE-007` (`corrupt`) if a file of the table is gone. */
export async function expireSnapshots(target: CommitTarget): Promise<Expiry> {
  const { catalog, table: name, world } = target;
  const before = await catalog.load(name);
  if (before === undefined) return { snapshots: 0, files: 0 };
  if (expiredSnapshots(before.metadata, world.clock.wallMs()).length === 0) {
    return { snapshots: 0, files: 0 };
  }
  const expired = await commitToTable<readonly Snapshot[]>(target, async ({ metadata }) => {
    const gone = expiredSnapshots(metadata, world.clock.wallMs());
    if (gone.length === 0) return { kind: 'nothing', result: [] };
    return {
      kind: 'change',
      change: {
        requirements: unchangedSnapshots(metadata),
        updates: [{ action: 'remove-snapshots', 'snapshot-ids': gone.map(idOf) }],
      },
      result: gone,
      isIn: (now) => gone.every((each) => snapshotById(now.metadata, idOf(each)) === undefined),
      undo: () => Promise.resolve(),
    };
  });
  return { snapshots: expired.length, files: await removeFiles(target, expired) };
}

async function removeFiles(
  { catalog, table: name }: CommitTarget,
  expired: readonly Snapshot[],
): Promise<number> {
  const table = await catalog.load(name);
  if (table === undefined || expired.length === 0) return 0;
  const { io, metadata } = table;
  const kept = await listedManifests(io, metadata.snapshots ?? []);
  const old = await listedManifests(io, expired);
  const unlisted = [...old.manifests.values()].filter(
    ({ location }) => !kept.manifests.has(placeOf(location)),
  );
  const gone = [...old.lists].filter((location) => !kept.lists.has(location));
  if (unlisted.length > 0) {
    const candidates = await liveDataFiles(io, unlisted);
    const live = await liveDataFiles(io, kept.manifests.values());
    gone.push(...[...candidates].filter((location) => !live.has(location)));
    gone.push(...unlisted.map(({ location }) => location));
  }
  if (gone.length > 0) await io.delete(gone);
  return gone.length;
}
