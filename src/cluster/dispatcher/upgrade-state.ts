/**
 * The life of an upgrade, from the moment at which it touches the running job. Pure.
 *
 *   stopping ──stopped──► starting ──well──────────────────► upgraded
 *      │                     │  └─unwell──► going-back ──back──► gone-back
 *      │                     └─cancelled─┐       └─ahead──► upgraded
 *      └─not stopped──► given-up ◄───────┘
 *
 * Always holds: each state is written down before what it asks for is done, and everything that it asks for can be
 * done again; the old version runs again only if the new one has completed no checkpoint, since what a checkpoint
 * completes is output that cannot be taken back.
 */
import type { JobEnd } from '../../checkpoint/retention.ts';

/** Plain data. */
export type UpgradeState =
  /** The old version is to end with a savepoint; if that fails it goes on. */
  | { readonly kind: 'stopping' }
  /** The new version is to run from the savepoint, and to be well. */
  | { readonly kind: 'starting'; readonly savepointUrl: string }
  /** The new version is to be gone, and the old one to run from the savepoint. */
  | {
      readonly kind: 'going-back';
      readonly savepointUrl: string;
      readonly why: string;
      /** Undefined: the new version never came to lead. */
      readonly newJobId: string | undefined;
    }
  | {
      readonly kind: 'upgraded';
      readonly savepointUrl: string;
      readonly jobId: string;
      /** What its user should know: it has failed since. */
      readonly note?: string;
    }
  | {
      readonly kind: 'gone-back';
      readonly savepointUrl: string;
      readonly why: string;
      readonly jobId: string;
    }
  /** Nothing is left to do: the old version goes on, or the user ended the new one. */
  | { readonly kind: 'given-up'; readonly why: string; readonly savepointUrl?: string };

export type UpgradeEvent =
  | { readonly kind: 'stopped'; readonly savepointUrl: string }
  | { readonly kind: 'not-stopped'; readonly why: string }
  /** It runs, and its first checkpoint is complete. */
  | { readonly kind: 'well'; readonly jobId: string }
  | { readonly kind: 'unwell'; readonly why: string; readonly newJobId: string | undefined }
  /** The new version has ended by itself. `isAhead`: it had completed a checkpoint. */
  | {
      readonly kind: 'ended';
      readonly jobId: string;
      readonly end: JobEnd;
      readonly isAhead: boolean;
      readonly why: string;
    }
  /** The new version has completed a checkpoint after all, and runs. */
  | { readonly kind: 'ahead'; readonly jobId: string }
  /** The old version runs again. */
  | { readonly kind: 'back'; readonly jobId: string };

/** What an event leads to; an event that has no place in the state changes nothing. */
export function stepUpgrade(state: UpgradeState, event: UpgradeEvent): UpgradeState {
  switch (state.kind) {
    case 'stopping':
      if (event.kind === 'stopped') return { kind: 'starting', savepointUrl: event.savepointUrl };
      return event.kind === 'not-stopped' ? { kind: 'given-up', why: event.why } : state;
    case 'starting':
      return stepStarting(state, event);
    case 'going-back':
      return stepGoingBack(state, event);
    case 'upgraded':
    case 'gone-back':
    case 'given-up':
      return state;
  }
}

type Of<Kind extends UpgradeState['kind']> = Extract<UpgradeState, { kind: Kind }>;

function stepStarting(state: Of<'starting'>, event: UpgradeEvent): UpgradeState {
  const { savepointUrl } = state;
  switch (event.kind) {
    case 'well':
      return { kind: 'upgraded', savepointUrl, jobId: event.jobId };
    case 'unwell':
      return { kind: 'going-back', savepointUrl, why: event.why, newJobId: event.newJobId };
    case 'ended':
      return stepEnded(savepointUrl, event);
    default:
      return state;
  }
}

function stepEnded(
  savepointUrl: string,
  { jobId, end, isAhead, why }: Extract<UpgradeEvent, { kind: 'ended' }>,
): UpgradeState {
  switch (end) {
    case 'finished':
    case 'stopped':
      return { kind: 'upgraded', savepointUrl, jobId };
    case 'canceled':
      return { kind: 'given-up', savepointUrl, why: 'the new version was cancelled' };
    case 'failed': {
      if (!isAhead) return { kind: 'going-back', savepointUrl, why, newJobId: jobId };
      const note = `it had completed a checkpoint, and failed then: ${why}`;
      return { kind: 'upgraded', savepointUrl, jobId, note };
    }
  }
}

function stepGoingBack(state: Of<'going-back'>, event: UpgradeEvent): UpgradeState {
  const { savepointUrl, why } = state;
  switch (event.kind) {
    case 'back':
      return { kind: 'gone-back', savepointUrl, why, jobId: event.jobId };
    case 'ahead':
      return { kind: 'upgraded', savepointUrl, jobId: event.jobId };
    case 'ended':
      return event.isAhead ? stepEnded(savepointUrl, event) : state;
    default:
      return state;
  }
}

export function isUpgradeOver({ kind }: UpgradeState): boolean {
  return kind === 'upgraded' || kind === 'gone-back' || kind === 'given-up';
}
