import { assert } from '../common/assert.ts';
import type { FailureReason } from './checkpoint-failure.ts';

/**
 * One checkpoint or savepoint on its way, as the coordinator sees it.
 *
 *   coordinator-state ─taken─► collecting ─last ack─► ready ─seal─► storing ─stored─► moving ─► completed
 *          │                       │                    │              │                │
 *          └────────abort──────────┴────────────────────┘      metadata failed     HEAD refused
 *                             ▼                                        ▼                ▼
 *                          aborted ◄───────────────────────────────────┴────────────────┘
 *
 * Invariant: from `storing` on, only the store says how it ends: a checkpoint is complete exactly
 * if HEAD was moved to it. An abort that comes then is not heeded, or a restart could find complete
 * what everybody was told is aborted. Where the store gives no answer within a limit (`give-up`), the
 * checkpoint is aborted as `in-doubt`: nobody may act on it, either way, before HEAD was read.
 */
export type CheckpointPhase =
  /** The coordinators of sources write down what they have given out. */
  | { readonly kind: 'coordinator-state' }
  /** Barriers are under way. */
  | { readonly kind: 'collecting'; readonly awaiting: ReadonlySet<string> }
  /** All acks are here; it waits until no other one is being sealed. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'storing' }
  | { readonly kind: 'moving' }
  | { readonly kind: 'completed' }
  | { readonly kind: 'aborted'; readonly reason: FailureReason };

export type PhaseEvent =
  | { readonly kind: 'taken'; readonly awaiting: ReadonlySet<string> }
  | { readonly kind: 'ack'; readonly task: string }
  | { readonly kind: 'seal' }
  | { readonly kind: 'metadata-stored' }
  | { readonly kind: 'metadata-failed' }
  | { readonly kind: 'head-moved' }
  /** `unknown` cannot be the last word: the move is tried again, until the limit. */
  | { readonly kind: 'head-failed'; readonly outcome: 'refused' | 'fenced' | 'unknown' }
  /** The store has not said for too long whether HEAD was moved. */
  | { readonly kind: 'give-up' }
  | { readonly kind: 'abort'; readonly reason: FailureReason };

/** Returns the phase after `event`. Pure: the coordinator turns changes into actions. */
export function stepPhase(phase: CheckpointPhase, event: PhaseEvent): CheckpointPhase {
  switch (phase.kind) {
    case 'coordinator-state':
    case 'collecting':
    case 'ready':
      return stepOpen(phase, event);
    case 'storing':
    case 'moving':
      return stepSealing(phase, event);
    case 'completed':
    case 'aborted':
      if (event.kind === 'ack' || event.kind === 'abort') return phase;
      return unexpected(phase, event);
  }
}

/** The store has the last word on it; it can no longer be aborted. */
export function isSealing(phase: CheckpointPhase): boolean {
  return phase.kind === 'storing' || phase.kind === 'moving';
}

type Open = Extract<CheckpointPhase, { kind: 'coordinator-state' | 'collecting' | 'ready' }>;
type Sealing = Extract<CheckpointPhase, { kind: 'storing' | 'moving' }>;

function stepOpen(phase: Open, event: PhaseEvent): CheckpointPhase {
  switch (event.kind) {
    case 'abort':
      return { kind: 'aborted', reason: event.reason };
    case 'taken':
      if (phase.kind !== 'coordinator-state') return unexpected(phase, event);
      return event.awaiting.size === 0
        ? { kind: 'ready' }
        : { kind: 'collecting', awaiting: event.awaiting };
    case 'ack': {
      if (phase.kind === 'coordinator-state') return unexpected(phase, event);
      if (phase.kind === 'ready') return phase;
      const awaiting = new Set(phase.awaiting);
      awaiting.delete(event.task);
      return awaiting.size === 0 ? { kind: 'ready' } : { kind: 'collecting', awaiting };
    }
    case 'seal':
      return phase.kind === 'ready' ? { kind: 'storing' } : unexpected(phase, event);
    case 'metadata-stored':
    case 'metadata-failed':
    case 'head-moved':
    case 'head-failed':
    case 'give-up':
      return unexpected(phase, event);
  }
}

function stepSealing(phase: Sealing, event: PhaseEvent): CheckpointPhase {
  switch (event.kind) {
    case 'ack':
    case 'abort':
      return phase;
    case 'metadata-stored':
      return phase.kind === 'storing' ? { kind: 'moving' } : unexpected(phase, event);
    case 'metadata-failed':
      if (phase.kind === 'moving') return unexpected(phase, event);
      // HEAD was never asked to move, so it cannot be complete, whatever became of the file.
      return { kind: 'aborted', reason: 'store-failed' };
    case 'head-moved':
      return phase.kind === 'moving' ? { kind: 'completed' } : unexpected(phase, event);
    case 'head-failed':
      if (phase.kind === 'storing') return unexpected(phase, event);
      if (event.outcome === 'unknown') return phase;
      return { kind: 'aborted', reason: event.outcome === 'fenced' ? 'fenced' : 'store-failed' };
    case 'give-up':
      if (phase.kind === 'storing') return unexpected(phase, event);
      return { kind: 'aborted', reason: 'in-doubt' };
    case 'taken':
    case 'seal':
      return unexpected(phase, event);
  }
}

function unexpected(phase: CheckpointPhase, event: PhaseEvent): never {
  return assert(false, `checkpoint event ${event.kind} while ${phase.kind}`);
}
