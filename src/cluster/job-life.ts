import type { JobEnd } from '../checkpoint/retention.ts';
import { EngineError } from '../common/errors.ts';
import type { JobResult, JobStatus } from './job-events.ts';
import {
  decideRestart,
  FAILURES_KEPT_MAX,
  type FailureHistory,
  type RestartDecision,
  type RestartStrategy,
} from './restart-strategy.ts';

/**
 * The life of a job under its JobMaster, as a pure state machine.
 *
 *   starting ──tasks running──► running ──inputs ended──► ending ──last checkpoint──► closing ──► finished
 *      │ ▲                         │                         │
 *      │ │                         └────────failure──────────┤
 *      │ └─delay over── waiting ◄─tasks gone── failing ◄─────┘
 *      │                                          └─no restart left──► failed
 *      └──cancel (from any state before closing)──► canceling ──tasks gone──► canceled
 *
 * Invariant: tasks of an attempt are deployed only after all tasks of the one before are gone, so
 * two attempts never write at the same time.
 */
export type JobLife =
  | { readonly kind: 'starting'; readonly attempt: number }
  | { readonly kind: 'running'; readonly attempt: number }
  | { readonly kind: 'ending'; readonly attempt: number }
  | { readonly kind: 'closing'; readonly attempt: number }
  | {
      readonly kind: 'failing';
      readonly attempt: number;
      readonly cause: unknown;
      readonly next: RestartDecision;
    }
  | { readonly kind: 'waiting'; readonly attempt: number; readonly cause: unknown }
  | { readonly kind: 'canceling'; readonly attempt: number }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly cause: unknown }
  | { readonly kind: 'canceled' };

export type JobLifeEvent =
  | { readonly kind: 'tasks-running' }
  | { readonly kind: 'inputs-ended' }
  | { readonly kind: 'last-checkpoint-complete' }
  | { readonly kind: 'tasks-finished' }
  | {
      readonly kind: 'failure';
      readonly error: unknown;
      readonly atMs: number;
      readonly chance: number;
    }
  | { readonly kind: 'tasks-gone' }
  | { readonly kind: 'delay-over' }
  | { readonly kind: 'cancel' };

/** What the JobMaster must do. */
export type JobLifeAction =
  /** Commit what the restored checkpoint holds, then deploy all tasks under this attempt. */
  | { readonly kind: 'deploy'; readonly attempt: number }
  | { readonly kind: 'take-last-checkpoint' }
  | { readonly kind: 'finish-tasks' }
  | { readonly kind: 'cancel-tasks' }
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'done' };

export interface JobLifeStep {
  readonly life: JobLife;
  readonly failures: FailureHistory;
  readonly actions: readonly JobLifeAction[];
}

/** Kinds of errors that a restart cannot mend. */
const FINAL_KINDS: ReadonlySet<string> = new Set(['invalid', 'corrupt', 'fenced']);

/** Whether running the job again could help. */
export function isRecoverable(error: unknown): boolean {
  return !(error instanceof EngineError && FINAL_KINDS.has(error.kind));
}

/** Flink's name for it. */
export function statusOf(life: JobLife): JobStatus {
  return STATUS_OF[life.kind];
}

const STATUS_OF: Readonly<Record<JobLife['kind'], JobStatus>> = {
  starting: 'RUNNING',
  running: 'RUNNING',
  ending: 'RUNNING',
  closing: 'RUNNING',
  failing: 'FAILING',
  waiting: 'RESTARTING',
  canceling: 'CANCELLING',
  finished: 'FINISHED',
  failed: 'FAILED',
  canceled: 'CANCELED',
};

/** How a job that ended so is written down. */
export const END_OF: Readonly<Record<JobResult['status'], JobEnd>> = {
  FINISHED: 'finished',
  FAILED: 'failed',
  CANCELED: 'canceled',
};

export function isTerminal(life: JobLife): boolean {
  return life.kind === 'finished' || life.kind === 'failed' || life.kind === 'canceled';
}

export function stepJobLife(
  life: JobLife,
  event: JobLifeEvent,
  failures: FailureHistory,
  strategy: RestartStrategy,
): JobLifeStep {
  const to = (next: JobLife, ...actions: JobLifeAction[]): JobLifeStep => ({
    life: next,
    failures,
    actions,
  });
  const stay: JobLifeStep = { life, failures, actions: [] };
  switch (event.kind) {
    case 'tasks-running':
      return life.kind === 'starting' ? to({ kind: 'running', attempt: life.attempt }) : stay;
    case 'inputs-ended':
      // A short job may have read everything before its last task reports that it runs.
      return life.kind === 'running'
        ? to({ kind: 'ending', attempt: life.attempt }, { kind: 'take-last-checkpoint' })
        : stay;
    case 'last-checkpoint-complete':
      return life.kind === 'ending'
        ? to({ kind: 'closing', attempt: life.attempt }, { kind: 'finish-tasks' })
        : stay;
    case 'tasks-finished':
      return life.kind === 'closing' ? to({ kind: 'finished' }, { kind: 'done' }) : stay;
    case 'failure':
      return stepFailure(life, event, failures, strategy);
    case 'tasks-gone':
      return stepTasksGone(life, failures);
    case 'delay-over':
      return life.kind === 'waiting'
        ? to(
            { kind: 'starting', attempt: life.attempt + 1 },
            { kind: 'deploy', attempt: life.attempt + 1 },
          )
        : stay;
    case 'cancel':
      return stepCancel(life, failures);
  }
}

function stepFailure(
  life: JobLife,
  event: Extract<JobLifeEvent, { kind: 'failure' }>,
  failures: FailureHistory,
  strategy: RestartStrategy,
): JobLifeStep {
  switch (life.kind) {
    case 'starting':
    case 'running':
    case 'ending':
    case 'closing': {
      const history = [...failures, event.atMs].slice(-FAILURES_KEPT_MAX);
      const next: RestartDecision = isRecoverable(event.error)
        ? decideRestart(strategy, history, event.chance)
        : { kind: 'give-up', why: 'a restart cannot mend this' };
      return {
        life: { kind: 'failing', attempt: life.attempt, cause: event.error, next },
        failures: history,
        actions: [{ kind: 'cancel-tasks' }],
      };
    }
    // The first failure is the cause; what breaks while tasks are being stopped follows from it.
    case 'failing':
    case 'waiting':
    case 'canceling':
    case 'finished':
    case 'failed':
    case 'canceled':
      return { life, failures, actions: [] };
  }
}

function stepTasksGone(life: JobLife, failures: FailureHistory): JobLifeStep {
  if (life.kind === 'canceling') {
    return { life: { kind: 'canceled' }, failures, actions: [{ kind: 'done' }] };
  }
  if (life.kind !== 'failing') return { life, failures, actions: [] };
  if (life.next.kind === 'give-up') {
    return { life: { kind: 'failed', cause: life.cause }, failures, actions: [{ kind: 'done' }] };
  }
  return {
    life: { kind: 'waiting', attempt: life.attempt, cause: life.cause },
    failures,
    actions: [{ kind: 'wait', delayMs: life.next.delayMs }],
  };
}

function stepCancel(life: JobLife, failures: FailureHistory): JobLifeStep {
  switch (life.kind) {
    case 'starting':
    case 'running':
    case 'ending':
      return {
        life: { kind: 'canceling', attempt: life.attempt },
        failures,
        actions: [{ kind: 'cancel-tasks' }],
      };
    case 'failing':
      return { life: { kind: 'canceling', attempt: life.attempt }, failures, actions: [] };
    case 'waiting':
      return { life: { kind: 'canceled' }, failures, actions: [{ kind: 'done' }] };
    // The last checkpoint is complete: the job has finished in all but name.
    case 'closing':
    case 'canceling':
    case 'finished':
    case 'failed':
    case 'canceled':
      return { life, failures, actions: [] };
  }
}
