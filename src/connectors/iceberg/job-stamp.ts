/**
 * The mark that a sink leaves in the summary of each snapshot that it commits, spelled as Flink's sink
 * spells it: which job and sink, and up to which checkpoint everything is in the table.
 *
 * Whether a checkpoint is committed is decided by the current snapshot and its ancestors alone: after a
 * rollback what was rolled back is not committed.
 */
import { ancestry, type Snapshot, type TableMetadata } from './table-metadata.ts';

const JOB = 'flink.job-id';
const OPERATOR = 'flink.operator-id';
const CHECKPOINT = 'flink.max-committed-checkpoint-id';

export interface StampOwner {
  /** Of the job's history, so that a restored job finds what an earlier submission has committed. */
  readonly lineage: string;
  /** Two sinks of one job may write to one table. */
  readonly uid: string;
}

export interface JobStamp extends StampOwner {
  readonly checkpointId: number;
}

export function stampProperties({ lineage, uid, checkpointId }: JobStamp): Record<string, string> {
  return { [JOB]: lineage, [OPERATOR]: uid, [CHECKPOINT]: String(checkpointId) };
}

export function stampOf({ summary }: Snapshot): JobStamp | undefined {
  const lineage = summary?.[JOB];
  const uid = summary?.[OPERATOR];
  const checkpointId = Number(summary?.[CHECKPOINT]);
  if (lineage === undefined || uid === undefined || !Number.isSafeInteger(checkpointId)) {
    return undefined;
  }
  return { lineage, uid, checkpointId };
}

/**
 * What the table says about a checkpoint. `committed`: by this very snapshot; `newer`: a later one is, and
 * none of the snapshots that are kept is of this one; `absent`: it is not there; `cut`: no mark of this
 * sink is among those that are kept, and older ones are gone.
 */
export type StampAnswer =
  | { readonly kind: 'committed'; readonly snapshot: Snapshot }
  | { readonly kind: 'newer'; readonly isCut: boolean }
  | { readonly kind: 'absent' }
  | { readonly kind: 'cut' };

export function lookUpStamp(metadata: TableMetadata, wanted: JobStamp): StampAnswer {
  const { snapshots, isCut } = ancestry(metadata);
  let isNewer = false;
  for (const snapshot of snapshots) {
    const stamp = stampOf(snapshot);
    if (stamp?.lineage !== wanted.lineage || stamp.uid !== wanted.uid) continue;
    if (stamp.checkpointId === wanted.checkpointId) return { kind: 'committed', snapshot };
    if (stamp.checkpointId < wanted.checkpointId)
      return isNewer ? { kind: 'newer', isCut: false } : { kind: 'absent' };
    isNewer = true;
  }
  if (isNewer) return { kind: 'newer', isCut };
  return { kind: isCut ? 'cut' : 'absent' };
}

/** The newest snapshot of each sink of each job on the current branch: none of them may be expired. */
export function newestStamped(metadata: TableMetadata): readonly Snapshot[] {
  const newest = new Map<string, Snapshot>();
  for (const snapshot of ancestry(metadata).snapshots) {
    const stamp = stampOf(snapshot);
    if (stamp === undefined) continue;
    const key = JSON.stringify([stamp.lineage, stamp.uid]);
    if (!newest.has(key)) newest.set(key, snapshot);
  }
  return [...newest.values()];
}
