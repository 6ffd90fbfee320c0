/** Takes back what a sink has committed after a checkpoint: its part in a rollback of the whole job. */
import type { SinkRollback, SinkRollbackContext } from '../../contracts/sink.ts';
import { tableText } from './catalog.ts';
import { cannotRollBack } from './errors.ts';
import { stampOf } from './job-stamp.ts';
import { unchangedSnapshots, type TableUpdate } from './table-change.ts';
import { type CommitTarget, commitToTable } from './table-commit.ts';
import {
  ancestry,
  currentSnapshotId,
  idOf,
  MAIN,
  type Snapshot,
  type TableMetadata,
} from './table-metadata.ts';

/** `to` is undefined where nothing of the table is left. */
interface Step {
  readonly from: Snapshot;
  readonly to: Snapshot | undefined;
}

/** @throws {EngineError} `ICE-012` (`invalid`) if another writer has committed since, or snapshots are gone. */
export async function rollBackSink(
  target: CommitTarget,
  context: SinkRollbackContext,
): Promise<SinkRollback> {
  const place = `${target.catalog.url} ${tableText(target.table)}`;
  const loaded = await target.catalog.load(target.table);
  const step = loaded && stepBack(loaded.metadata, tableText(target.table), context);
  if (step === undefined) return { place, change: undefined, apply: () => Promise.resolve() };
  const { from, to } = step;
  const rows = totalRows(from) - (to === undefined ? 0 : totalRows(to));
  return {
    place,
    change: {
      from: `snapshot ${idOf(from)}`,
      to: to === undefined ? 'empty' : `snapshot ${idOf(to)}`,
      rows: Number.isNaN(rows) ? undefined : rows,
    },
    apply: () => apply(target, context),
  };
}

async function apply(target: CommitTarget, context: SinkRollbackContext): Promise<void> {
  await commitToTable<undefined>(target, ({ metadata }) => {
    // Decided anew on what the table is by now: an earlier try may have done it.
    const step = stepBack(metadata, tableText(target.table), context);
    if (step === undefined) return Promise.resolve({ kind: 'nothing', result: undefined });
    const id = step.to && idOf(step.to);
    const update: TableUpdate =
      id === undefined
        ? { action: 'remove-snapshot-ref', 'ref-name': MAIN }
        : { action: 'set-snapshot-ref', 'ref-name': MAIN, type: 'branch', 'snapshot-id': id };
    return Promise.resolve({
      kind: 'change',
      change: { requirements: unchangedSnapshots(metadata), updates: [update] },
      result: undefined,
      isIn: (now) => currentSnapshotId(now.metadata) === id,
      undo: () => Promise.resolve(),
    });
  });
}

/** Pure. Undefined: nothing of the sink is newer than the checkpoint. */
function stepBack(
  metadata: TableMetadata,
  table: string,
  { lineage, uid, checkpointId }: SinkRollbackContext,
): Step | undefined {
  const { snapshots, isCut } = ancestry(metadata);
  const isTakenBack = (snapshot: Snapshot): boolean => {
    const stamp = stampOf(snapshot);
    return stamp?.lineage === lineage && stamp.uid === uid && stamp.checkpointId > checkpointId;
  };
  const oldest = snapshots.findLastIndex(isTakenBack);
  const from = snapshots[0];
  if (oldest < 0 || from === undefined) return undefined;
  const foreign = snapshots.slice(0, oldest).find((snapshot) => !isTakenBack(snapshot));
  if (foreign !== undefined) {
    throw cannotRollBack(table, `snapshot ${idOf(foreign)} is of another writer, and came since`);
  }
  const to = snapshots[oldest + 1];
  if (to === undefined && isCut) throw cannotRollBack(table, 'the snapshot of then has expired');
  return { from, to };
}

function totalRows({ summary }: Snapshot): number {
  return Number(summary?.['total-records'] ?? Number.NaN);
}
