/** Adds the manifests of one checkpoint to a table: one snapshot, once. */
import { randomHex, type Random } from '../../common/random.ts';
import { type LoadedTable, tableText } from './catalog.ts';
import { checkPending, requireSameTable } from './check-pending.ts';
import type { PendingManifest } from './committable.ts';
import { corruptTable } from './errors.ts';
import { type JobStamp, lookUpStamp, stampProperties } from './job-stamp.ts';
import { encodeManifestList } from './manifest-list.ts';
import { manifestsOf } from './read-manifests.ts';
import { mergeManifests } from './merge-manifests.ts';
import { addedManifest, newSnapshot, planSnapshot } from './new-snapshot.ts';
import { unchangedSnapshots } from './table-change.ts';
import { type Attempt, type CommitTarget, commitToTable } from './table-commit.ts';
import type { TableIo } from './table-io.ts';
import { manifestListLocation } from './table-layout.ts';
import {
  currentSnapshot,
  type Snapshot,
  snapshotById,
  type TableMetadata,
} from './table-metadata.ts';

/**
 * `done`: in the table now; `already`: it was. `lost`: the table holds a later checkpoint of this job and not
 * this one, so that the job and the table do not fit any more.
 */
export type Appended = 'done' | 'already' | 'lost';

/**
 * @throws {EngineError} as `commitToTable`; `ICE-007` (`corrupt`) for a damaged manifest list; `ICE-014`
 * (`corrupt`), `ICE-015` (`invalid`) if others have put another table into its place, or changed it so that
 * what was written does not fit.
 */
export function appendCheckpoint(
  target: CommitTarget,
  stamp: JobStamp,
  pending: readonly PendingManifest[],
): Promise<Appended> {
  const name = tableText(target.table);
  return commitToTable<Appended>(target, async (table) => {
    requireSameTable(table, pending, name);
    const found = await whereItIs(table, stamp, pending);
    if (found !== 'absent') return { kind: 'nothing', result: found };
    await checkPending(table, pending, name);
    return appendAttempt(target, table, stamp, pending);
  });
}

async function whereItIs(
  { metadata, io }: LoadedTable,
  stamp: JobStamp,
  pending: readonly PendingManifest[],
): Promise<'already' | 'lost' | 'absent'> {
  const answer = lookUpStamp(metadata, stamp);
  switch (answer.kind) {
    case 'absent':
      return 'absent';
    case 'committed':
      // Another history of the job may have had a checkpoint of the same number.
      return (await holds(io, answer.snapshot, pending)) ? 'already' : 'lost';
    case 'newer':
      return answer.isCut ? 'already' : 'lost';
    case 'cut': {
      const current = currentSnapshot(metadata);
      if (current === undefined) return 'absent';
      return (await holds(io, current, pending)) ? 'already' : 'absent';
    }
  }
}

async function holds(
  io: TableIo,
  snapshot: Snapshot,
  pending: readonly PendingManifest[],
): Promise<boolean> {
  const listed = new Set((await manifestsOf(io, snapshot)).map(({ location }) => location));
  return pending.every(({ location }) => listed.has(location));
}

/** One try of it, whatever the table says about the stamp. */
export async function appendAttempt(
  target: CommitTarget,
  table: LoadedTable,
  stamp: JobStamp,
  pending: readonly PendingManifest[],
): Promise<Attempt<Appended>> {
  const { metadata, io } = table;
  const { random, clock } = target.world;
  const plan = planSnapshot(metadata, newSnapshotId(metadata, random));
  const parent = currentSnapshot(metadata);
  const old = parent === undefined ? [] : await manifestsOf(io, parent);
  const { manifests, made } = await mergeManifests(old, { table, plan, uid: stamp.uid, random });
  const list = manifestListLocation(metadata.location, plan.id, randomHex(random, 8));
  const entries = [...pending.map((each) => addedManifest(each, plan)), ...manifests];
  const header = {
    snapshotId: plan.id,
    parentId: plan.parentId,
    sequenceNumber: plan.sequenceNumber,
  };
  if ((await io.create(list, encodeManifestList(entries, header, random))) === 'taken') {
    throw corruptTable(list, 'somebody else has made it');
  }
  const snapshot = newSnapshot(metadata, plan, {
    manifestList: list,
    nowMs: clock.wallMs(),
    properties: stampProperties(stamp),
    added: pending,
  });
  return {
    kind: 'change',
    change: {
      requirements: unchangedSnapshots(metadata),
      updates: [
        { action: 'add-snapshot', snapshot },
        { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': plan.id },
      ],
    },
    result: 'done',
    isIn: (now) => snapshotById(now.metadata, plan.id) !== undefined,
    undo: () => io.delete([list, ...made]),
  };
}

/** Positive, 63 bits, and not one of the table's. */
function newSnapshotId(metadata: TableMetadata, random: Random): bigint {
  for (;;) {
    const id = BigInt(`0x${randomHex(random, 16)}`) & 0x7fff_ffff_ffff_ffffn;
    if (id > 0n && snapshotById(metadata, id) === undefined) return id;
  }
}
