import type { Cancel } from '../../common/clock.ts';
import type { EventOwner } from './event-queue.ts';

/** What a simulated process or device asks of the simulation it belongs to. */
export interface Kernel {
  /** Virtual time since the simulation's start. */
  readonly nowMs: number;
  /** What a clock without error would show. */
  readonly wallMs: number;
  /** Runs `task` once, `delayMs` from now, unless `owner` is dead by then. */
  schedule(event: KernelEvent): Cancel;
  /** What came due while `owner` was frozen is due now, in its order. */
  thaw(owner: EventOwner): void;
  /** Adds a line to the run's hash. */
  trace(line: string): void;
}

export interface KernelEvent {
  readonly label: string;
  /** `turn`: now, after all that is due. */
  readonly delayMs: number | 'turn';
  readonly owner?: EventOwner;
  readonly task: () => void;
}
