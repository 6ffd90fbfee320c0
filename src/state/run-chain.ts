/**
 * Which runs make up the state: the last confirmed checkpoint's, and what each later checkpoint
 * adds to them. Decides only; it stores nothing.
 *
 * A run holds each of its key groups either in full or as changes. What is in full supersedes that
 * key group in all older runs, so a run whose key groups are all superseded drops out. So that this
 * happens, each checkpoint writes some key groups in full besides its changes: those that were not
 * for the longest time (docs/decisions/0004-rolling-rewrite.md).
 *
 * Always holds: a checkpoint builds on the last *confirmed* one, whatever was tried in between.
 */
import type { KeyGroupRange } from '../common/key-groups.ts';
import type { CheckpointId, KeyedRunHandle } from '../contracts/snapshots.ts';

/** How much of the state each checkpoint writes in full besides its changes: the most of three. */
export interface RewritePolicy {
  /** Below it, one more file costs more than its bytes. */
  readonly leastBytes: number;
  /** Of the bytes of the changes. Less makes longer chains, more makes larger checkpoints. */
  readonly share: number;
  /** Bounds the chain: after so many checkpoints each key group was written in full. */
  readonly checkpointsMax: number;
}

export const REWRITE_POLICY: RewritePolicy = {
  leastBytes: 64 * 1024,
  share: 0.5,
  checkpointsMax: 256,
};

export interface ConfirmedBase {
  readonly checkpointId: CheckpointId;
  /** All changes up to it are in the runs. */
  readonly epoch: number;
  readonly runs: readonly KeyedRunHandle[];
}

export interface RewriteQuestion {
  /** Estimated bytes of each key group of the range, in full. */
  readonly groupBytes: Float64Array;
  /** Estimated bytes of the changes. */
  readonly deltaBytes: number;
}

export class RunChain {
  readonly #range: KeyGroupRange;
  readonly #pending = new Map<CheckpointId, ConfirmedBase>();
  #base: ConfirmedBase | undefined;
  /** Bytes that earlier checkpoints could have rewritten and did not, for want of a small enough key group. */
  #credit = 0;
  readonly #policy: RewritePolicy;

  constructor(range: KeyGroupRange, policy = REWRITE_POLICY) {
    this.#range = range;
    this.#policy = policy;
  }

  get base(): ConfirmedBase | undefined {
    return this.#base;
  }

  restoreBase(base: ConfirmedBase | undefined): void {
    this.#base = base;
    this.#pending.clear();
  }

  /** A checkpoint that will be a base once it is confirmed. */
  add(checkpoint: ConfirmedBase): void {
    this.#pending.set(checkpoint.checkpointId, checkpoint);
  }

  /** The new base; `undefined` if this was none of ours, or an older one. */
  confirm(checkpointId: CheckpointId): ConfirmedBase | undefined {
    const checkpoint = this.#pending.get(checkpointId);
    if (checkpoint === undefined) return undefined;
    for (const [id, { epoch }] of this.#pending) {
      if (epoch <= checkpoint.epoch) this.#pending.delete(id);
    }
    this.#base = checkpoint;
    return checkpoint;
  }

  abort(checkpointId: CheckpointId): void {
    this.#pending.delete(checkpointId);
  }

  /** Which key groups (by position in the range) the next checkpoint writes in full: 1, else 0. */
  chooseRewrites({ groupBytes, deltaBytes }: RewriteQuestion): Uint8Array {
    const chosen = new Uint8Array(groupBytes.length);
    if (this.#base === undefined) return chosen.fill(1);
    const { leastBytes, share, checkpointsMax } = this.#policy;
    const stateBytes = groupBytes.reduce((sum, bytes) => sum + bytes, 0);
    const budget = Math.max(leastBytes, deltaBytes * share, stateBytes / checkpointsMax);
    // Where nearly everything changed, all of it costs no more and ends the chain.
    if (stateBytes <= budget + deltaBytes) return chosen.fill(1);
    let left = budget + this.#credit;
    for (const group of this.#longestNotRewritten(groupBytes.length)) {
      const bytes = groupBytes[group] ?? 0;
      if (bytes > left) break;
      chosen[group] = 1;
      left -= bytes;
    }
    for (let group = 0; group < chosen.length; group++) {
      if (groupBytes[group] === 0) chosen[group] = 1;
    }
    this.#credit = Math.min(left, stateBytes);
    return chosen;
  }

  #longestNotRewritten(groups: number): number[] {
    const last = lastFull(this.#base?.runs ?? []);
    const first = this.#range.start;
    return Array.from({ length: groups }, (_, i) => i).sort(
      (a, b) => (last.get(first + a) ?? -1) - (last.get(first + b) ?? -1) || a - b,
    );
  }
}

/** For each key group, the newest checkpoint that wrote it in full. */
export function lastFull(runs: readonly KeyedRunHandle[]): Map<number, CheckpointId> {
  const last = new Map<number, CheckpointId>();
  for (const { full, checkpointId } of runs) {
    for (const { start, end } of full ?? []) {
      for (let group = start; group <= end; group++) {
        last.set(group, Math.max(last.get(group) ?? -1, checkpointId));
      }
    }
  }
  return last;
}

/** Whether a run's rows of a key group are all replaced by a newer run. */
export function isSuperseded(
  run: KeyedRunHandle,
  group: number,
  last: ReadonlyMap<number, CheckpointId>,
): boolean {
  return (last.get(group) ?? -1) > run.checkpointId;
}

/** The older runs that still count beside newer ones, and then those. */
export function appendRuns(
  older: readonly KeyedRunHandle[],
  newer: readonly KeyedRunHandle[],
): KeyedRunHandle[] {
  const runs = [...older, ...newer];
  const last = lastFull(runs);
  return runs.filter((run) => {
    for (let group = run.keyGroups.start; group <= run.keyGroups.end; group++) {
      if (!isSuperseded(run, group, last)) return true;
    }
    return false;
  });
}

/** Adjoining key groups as ranges. */
export function rangesOf(chosen: Uint8Array, range: KeyGroupRange, first: number): KeyGroupRange[] {
  const ranges: KeyGroupRange[] = [];
  let start = -1;
  for (let group = range.start; group <= range.end + 1; group++) {
    const is = group <= range.end && chosen[group - first] === 1;
    if (is && start < 0) start = group;
    if (!is && start >= 0) {
      ranges.push({ start, end: group - 1 });
      start = -1;
    }
  }
  return ranges;
}
