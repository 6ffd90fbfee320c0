/**
 * When a task with several channels takes its snapshot: Flink's `CheckpointBarrierHandler`. Pure:
 * events go in, what the caller has to do comes out.
 *
 *   exactly-once   none ──barrier──► aligning(n) ──barrier n on the last channel──► complete: none
 *                                     │  channels that have it are blocked
 *                                     ├─ barrier m > n ─► n is given up, aligning(m)
 *                                     └─ n aborted ────► none, channels go on
 *
 *   at-least-once  the same for each of several checkpoints at once, and no channel is ever blocked.
 *
 * Always holds: a channel is blocked only between its barrier n and the end of the alignment of n;
 * a barrier that is not newer than the last one completed or given up is passed over.
 */
import type { CheckpointBarrier } from '../contracts/snapshots.ts';

export type CheckpointingMode = 'exactly-once' | 'at-least-once';

/** Without blocking, a channel that is far behind lets checkpoints pile up; the oldest are given up. */
export const PENDING_BARRIERS_MAX = 50;

/** Aborted checkpoints that are remembered; a barrier older than these can hardly be on its way. */
const ABORTED_MAX = 1_000;

export type AlignmentAction =
  /** Take nothing more from this channel until `unblock`. */
  | { readonly kind: 'block'; readonly channel: number }
  | { readonly kind: 'unblock' }
  /** All channels have it: snapshot now. */
  | {
      readonly kind: 'complete';
      readonly barrier: CheckpointBarrier;
      readonly alignmentMs: number;
    }
  /** It will never be complete here: a newer barrier came first. */
  | { readonly kind: 'give-up'; readonly checkpointId: number };

interface Alignment {
  readonly barrier: CheckpointBarrier;
  readonly startedMs: number;
  readonly arrived: Set<number>;
}

export class BarrierAligner {
  readonly #channels: number;
  readonly #mode: CheckpointingMode;
  /** Oldest first. With exactly-once at most one. */
  #pending: Alignment[] = [];
  /** The newest checkpoint that was completed or given up, or whose predecessors were. */
  #doneThrough = -1;
  /** Aborted ones of which a barrier may still come. */
  readonly #aborted = new Set<number>();

  constructor(channels: number, mode: CheckpointingMode) {
    this.#channels = channels;
    this.#mode = mode;
  }

  /** A barrier has come to the front of a channel. */
  barrier(channel: number, barrier: CheckpointBarrier, nowMs: number): readonly AlignmentAction[] {
    const { checkpointId } = barrier;
    if (checkpointId <= this.#doneThrough || this.#aborted.has(checkpointId)) return [];
    const actions: AlignmentAction[] = [];
    let alignment = this.#pending.find((one) => one.barrier.checkpointId === checkpointId);
    if (alignment === undefined) {
      // Another channel has gone beyond it already, so it can never be complete.
      const newest = this.#pending.at(-1);
      if (newest !== undefined && newest.barrier.checkpointId > checkpointId) return [];
      if (this.#mode === 'exactly-once') this.#giveUpAll(actions);
      else if (this.#pending.length === PENDING_BARRIERS_MAX) this.#giveUpFirst(actions);
      alignment = { barrier, startedMs: nowMs, arrived: new Set() };
      this.#pending.push(alignment);
    }
    alignment.arrived.add(channel);
    if (alignment.arrived.size < this.#channels) {
      if (this.#mode === 'exactly-once') actions.push({ kind: 'block', channel });
      return actions;
    }
    this.#complete(alignment, nowMs, actions);
    return actions;
  }

  /** The JobMaster has given the checkpoint up. */
  aborted(checkpointId: number): readonly AlignmentAction[] {
    if (checkpointId <= this.#doneThrough) return [];
    this.#aborted.add(checkpointId);
    const [oldest] = this.#aborted;
    if (this.#aborted.size > ABORTED_MAX && oldest !== undefined) this.#aborted.delete(oldest);
    const before = this.#pending.length;
    this.#pending = this.#pending.filter((one) => one.barrier.checkpointId !== checkpointId);
    const wasBlocking = this.#pending.length < before && this.#mode === 'exactly-once';
    return wasBlocking ? [{ kind: 'unblock' }] : [];
  }

  /** The checkpoint that is being aligned now, the oldest if there are several. */
  pendingId(): number | undefined {
    return this.#pending[0]?.barrier.checkpointId;
  }

  #complete(alignment: Alignment, nowMs: number, actions: AlignmentAction[]): void {
    const { barrier, startedMs } = alignment;
    // Older ones can never be complete: their barriers would have come before this one's.
    while (this.#pending[0] !== alignment) this.#giveUpFirst(actions);
    this.#pending.shift();
    this.#done(barrier.checkpointId);
    if (this.#mode === 'exactly-once' && this.#channels > 1) actions.push({ kind: 'unblock' });
    actions.push({ kind: 'complete', barrier, alignmentMs: nowMs - startedMs });
  }

  #giveUpAll(actions: AlignmentAction[]): void {
    if (this.#pending.length === 0) return;
    while (this.#pending.length > 0) this.#giveUpFirst(actions);
    actions.push({ kind: 'unblock' });
  }

  #giveUpFirst(actions: AlignmentAction[]): void {
    const given = this.#pending.shift();
    if (given === undefined) return;
    const { checkpointId } = given.barrier;
    this.#done(checkpointId);
    actions.push({ kind: 'give-up', checkpointId });
  }

  #done(checkpointId: number): void {
    this.#doneThrough = Math.max(this.#doneThrough, checkpointId);
    for (const id of this.#aborted) if (id <= this.#doneThrough) this.#aborted.delete(id);
  }
}
