/**
 * Committables between the checkpoint that made them final and the committer's word that they are
 * committed. A pure module; the coordinator owns one value of it.
 *
 *   at the writer ──a checkpoint with it completes──► taken over ──committer: done──► gone
 *     (resent with                                   (in every later        └─retry─► stays
 *      every ack)                                     metadata)
 *
 * Always holds: a committable is committed only after a checkpoint that contains it is complete, at
 * most one batch is under way, batches and their content are in the order of checkpoints, and the
 * metadata of a snapshot holds exactly what a restore from it must commit.
 */
import { assert } from '../common/assert.ts';
import type { CommitResult } from '../contracts/sink.ts';
import type { SerializedCommittable } from '../contracts/snapshots.ts';
import { compareUtf8 } from '../common/utf8-order.ts';

export interface PendingCommittable extends SerializedCommittable {
  /** Which execution of the subtask made it: `<epoch>-<attempt>`. */
  readonly attempt: string;
}

export interface PendingCommits {
  /** Taken over by a complete checkpoint and not yet known to be committed; in commit order. */
  readonly waiting: readonly PendingCommittable[];
  /** The keys of the batch that a committer has now. */
  readonly committing: ReadonlySet<string> | undefined;
  /** They can never be committed. They stay, so that no one takes the output for complete. */
  readonly lost: readonly PendingCommittable[];
  /** The last checkpoint that took committables over. */
  readonly takenOverThrough: number;
}

export const NO_COMMITS: PendingCommits = {
  waiting: [],
  committing: undefined,
  lost: [],
  takenOverThrough: 0,
};

/**
 * What snapshot `checkpointId` must hold: what waits, and what the writers handed over that no
 * complete checkpoint has taken over. A writer resends until it hears of the completion, so an ack
 * may well hold older ones: those up to `takenOverThrough` are here already, or committed. A
 * savepoint that a younger checkpoint has overtaken holds nothing from after itself.
 */
export function committablesOf(
  commits: PendingCommits,
  checkpointId: number,
  acknowledged: readonly PendingCommittable[],
): readonly PendingCommittable[] {
  const own = [...commits.lost, ...commits.waiting].filter(
    (one) => one.checkpointId <= checkpointId,
  );
  const byKey = new Map(own.map((one) => [keyOf(one), one]));
  for (const one of acknowledged) {
    if (one.checkpointId > commits.takenOverThrough) byKey.set(keyOf(one), one);
  }
  return [...byKey.values()].sort(compareCommittables);
}

/** A checkpoint (not an intermediate savepoint) is complete: its committables are ours now. */
export function takeOver(
  commits: PendingCommits,
  checkpointId: number,
  acknowledged: readonly PendingCommittable[],
): PendingCommits {
  assert(
    checkpointId > commits.takenOverThrough,
    `checkpoint ${checkpointId} takes committables over after ${commits.takenOverThrough}`,
  );
  for (const one of acknowledged) {
    assert(one.checkpointId <= checkpointId, `a committable of a checkpoint after ${checkpointId}`);
  }
  const gone = new Set(commits.lost.map(keyOf));
  const all = committablesOf(commits, checkpointId, acknowledged);
  const waiting = all.filter((one) => !gone.has(keyOf(one)));
  return { ...commits, waiting, takenOverThrough: checkpointId };
}

/** Whether all output that complete checkpoints promised is out. */
export function isAllCommitted(commits: PendingCommits): boolean {
  return (
    commits.waiting.length === 0 && commits.lost.length === 0 && commits.committing === undefined
  );
}

/** The next batch for the committer, all of what waits; undefined if there is none, or one is out. */
export function nextBatch(
  commits: PendingCommits,
): { commits: PendingCommits; batch: readonly PendingCommittable[] } | undefined {
  if (commits.committing !== undefined || commits.waiting.length === 0) return undefined;
  const committing = new Set(commits.waiting.map(keyOf));
  return { commits: { ...commits, committing }, batch: commits.waiting };
}

export interface Settled {
  readonly commits: PendingCommits;
  /** They can never be committed: the job must report it and fail. */
  readonly lost: readonly PendingCommittable[];
}

/** @param results One for each committable of the batch, in its order; undefined: the call failed. */
export function settleBatch(
  commits: PendingCommits,
  results: readonly CommitResult[] | undefined,
): Settled {
  const { committing } = commits;
  assert(committing !== undefined, 'commit results without a batch');
  assert(
    results === undefined || results.length === committing.size,
    `${results?.length ?? 0} results for ${committing.size} committables`,
  );
  const resultOf = new Map([...committing].map((key, index) => [key, results?.[index] ?? 'retry']));
  const lost: PendingCommittable[] = [];
  const waiting = commits.waiting.filter((one) => {
    const result = resultOf.get(keyOf(one));
    if (result === 'lost') lost.push(one);
    return result === undefined || result === 'retry';
  });
  const allLost = [...commits.lost, ...lost];
  return { commits: { ...commits, waiting, committing: undefined, lost: allLost }, lost };
}

/** A start from a snapshot: what it holds is committed first; what writers of old attempts held is void. */
export function restoreCommits(
  checkpointId: number,
  committables: readonly PendingCommittable[],
): PendingCommits {
  return {
    waiting: [...committables].sort(compareCommittables),
    committing: undefined,
    lost: [],
    takenOverThrough: checkpointId,
  };
}

function keyOf(one: PendingCommittable): string {
  return JSON.stringify([one.uid, one.subtask, one.checkpointId, one.sequence, one.attempt]);
}

function compareCommittables(a: PendingCommittable, b: PendingCommittable): number {
  return (
    a.checkpointId - b.checkpointId ||
    compareUtf8(a.uid, b.uid) ||
    a.subtask - b.subtask ||
    compareUtf8(a.attempt, b.attempt) ||
    a.sequence - b.sequence
  );
}
