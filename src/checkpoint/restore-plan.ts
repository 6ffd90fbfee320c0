/**
 * From a snapshot and the operators of the new job to what each new subtask restores. Pure.
 *
 * Always holds: every key group's state goes to exactly the subtask that owns it, all other state of
 * an operator to each of its subtasks (which pick by their rules), and state that nobody takes is
 * dropped only when the user said so.
 */
import { keyGroupRangeOf, type KeyGroupRange } from '../common/key-groups.ts';
import type { OperatorRestore, OperatorSnapshot } from '../contracts/snapshots.ts';
import { tooParallelError, unmatchedStateError } from './errors.ts';
import type { SnapshotMetadata } from './metadata.ts';
import type { PendingCommittable } from './pending-commits.ts';

export interface RestoringOperator {
  readonly uid: string;
  readonly parallelism: number;
}

export interface RestoreInput {
  readonly metadata: SnapshotMetadata;
  /** The snapshot's URL, for messages. */
  readonly snapshot: string;
  /** All operators of the job, also those without state. */
  readonly operators: readonly RestoringOperator[];
  readonly allowNonRestoredState: boolean;
  /** The job goes on under its id: its files are ours, and its pending output is ours to commit. */
  readonly continues: 'same-job' | 'same-lineage' | 'fork';
}

/** What one new subtask restores. */
export interface SubtaskRestore extends OperatorRestore {
  /** What the operator's watermark starts from; undefined: none yet. */
  readonly watermarkMs: number | undefined;
  /** All old subtasks had finished: it has nothing more to do. */
  readonly finished: boolean;
}

export interface RestorePlan {
  /** The snapshot's: what is set now has no say. */
  readonly maxParallelism: number;
  /** By uid, one entry for each new subtask. Operators that the snapshot does not know are absent. */
  readonly operators: ReadonlyMap<string, readonly SubtaskRestore[]>;
  /** For the coordinators of sources, by uid; base64. */
  readonly coordinators: ReadonlyMap<string, string>;
  /** To be committed before any writer starts. */
  readonly committables: readonly PendingCommittable[];
  /** A fork's output that stays with the old lineage: to be reported. */
  readonly leftCommittables: readonly PendingCommittable[];
  /** Uids whose state is dropped. */
  readonly dropped: readonly string[];
  /** The first checkpoint must be full: its base is not ours, or was cut otherwise. */
  readonly full: boolean;
}

/**
 * @throws {EngineError} `CHK-004` (`invalid`) if state of the snapshot has no operator in the job.
 * @throws {EngineError} `CHK-005` (`invalid`) if an operator has more subtasks than key groups.
 */
export function planRestore(input: RestoreInput): RestorePlan {
  const { metadata, operators, snapshot, continues } = input;
  const { maxParallelism } = metadata;
  for (const { uid, parallelism } of operators) {
    if (parallelism <= maxParallelism) continue;
    throw tooParallelError({ snapshot, uid, parallelism, maxParallelism });
  }
  const known = new Set(operators.map(({ uid }) => uid));
  const dropped = unmatched(metadata, known);
  if (dropped.length > 0 && !input.allowNonRestoredState) {
    throw unmatchedStateError({ snapshot, unmatched: dropped, operators: [...known].sort() });
  }
  const planned = operators.flatMap((operator) => {
    const old = metadata.operators.filter(({ uid }) => uid === operator.uid);
    return old.length === 0 ? [] : [[operator.uid, planOperator(input, operator, old)] as const];
  });
  const committables = metadata.committables.filter(({ uid }) => known.has(uid));
  const isFork = continues === 'fork';
  return {
    maxParallelism,
    operators: new Map(planned),
    coordinators: new Map(Object.entries(metadata.coordinators).filter(([uid]) => known.has(uid))),
    committables: isFork ? [] : committables,
    leftCommittables: isFork ? committables : [],
    dropped,
    full: planned.some(([, subtasks]) => subtasks.some(({ reusableBase }) => !reusableBase)),
  };
}

/** Uids with something to lose that the job does not have. */
function unmatched(metadata: SnapshotMetadata, known: ReadonlySet<string>): readonly string[] {
  const uids = [
    ...metadata.operators
      .filter(({ keyed, operator }) => keyed.length > 0 || operator !== undefined)
      .map(({ uid }) => uid),
    ...Object.keys(metadata.coordinators),
    ...metadata.committables.map(({ uid }) => uid),
  ];
  return [...new Set(uids)].filter((uid) => !known.has(uid)).sort();
}

function planOperator(
  { metadata, continues }: RestoreInput,
  { uid, parallelism }: RestoringOperator,
  old: readonly OperatorSnapshot[],
): readonly SubtaskRestore[] {
  const { checkpointId, kind, maxParallelism } = metadata;
  const inOrder = [...old].sort((a, b) => a.subtask - b.subtask);
  const isSameCut = inOrder.length === parallelism;
  const finished = inOrder.every((snapshot) => snapshot.finished);
  return Array.from({ length: parallelism }, (_, subtask) => {
    const range = keyGroupRangeOf(subtask, maxParallelism, parallelism);
    const own = isSameCut ? inOrder.filter((snapshot) => snapshot.subtask === subtask) : inOrder;
    return {
      checkpointId,
      uid,
      subtasks: inOrder.map((snapshot) => ({
        ...snapshot,
        keyed: snapshot.keyed.filter((run) => overlaps(run.keyGroups, range)),
      })),
      // A savepoint's files are the user's, and may be moved or removed at any time.
      reusableBase: isSameCut && kind !== 'savepoint' && continues === 'same-job',
      watermarkMs: lowestWatermark(own),
      finished,
    };
  });
}

function overlaps(a: KeyGroupRange, b: KeyGroupRange): boolean {
  return a.start <= b.end && b.start <= a.end;
}

/** Those that had finished hold nothing back. */
function lowestWatermark(snapshots: readonly OperatorSnapshot[]): number | undefined {
  let lowest = Infinity;
  for (const { finished, watermarkMs } of snapshots) {
    if (finished) continue;
    if (watermarkMs === undefined) return undefined;
    lowest = Math.min(lowest, watermarkMs);
  }
  return lowest;
}
