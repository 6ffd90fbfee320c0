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

/** Numbers of the job's regions in its plan, or all of them. What is down has no running task. */
export type Regions = ReadonlySet<number> | 'all';

/**
 * The life of a job under its JobMaster, as a pure state machine.
 *
 *   starting ──tasks running──► running ──inputs ended──► ending ──last checkpoint──► closing ──► finished
 *      │ ▲                         │                         │
 *      │ │                         └────────failure──────────┤
 *      │ └─delay over── waiting ◄─tasks gone── failing ◄─────┘
 *      │                                          └─no restart left──► failed
 *      ├──cancel (from any state before closing)──► canceling ──tasks gone──► canceled
 *      └──suspend (the same)──► suspending ──tasks gone──► suspended
 *
 * A suspended job has not ended: whoever leads it next goes on from its latest checkpoint.
 *
 * A failure takes regions down; the others go on. One that fails while others are down joins them,
 * and all are deployed together, from one checkpoint.
 *
 * Invariant: tasks of a region are deployed only after all tasks that it had before are gone, so two
 * attempts never write at the same time.
 */
export type JobLife =
  | { readonly kind: 'starting'; readonly attempt: number; readonly down: Regions }
  | { readonly kind: 'running'; readonly attempt: number }
  | { readonly kind: 'ending'; readonly attempt: number }
  | { readonly kind: 'closing'; readonly attempt: number }
  | {
      readonly kind: 'failing';
      readonly attempt: number;
      readonly down: Regions;
      readonly cause: unknown;
      readonly next: RestartDecision;
    }
  | {
      readonly kind: 'waiting';
      readonly attempt: number;
      readonly down: Regions;
      readonly cause: unknown;
    }
  | { readonly kind: 'canceling'; readonly attempt: number }
  | { readonly kind: 'suspending'; readonly attempt: number }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly cause: unknown }
  | { readonly kind: 'canceled' }
  | { readonly kind: 'suspended' };

export type JobLifeEvent =
  | { readonly kind: 'tasks-running' }
  | { readonly kind: 'inputs-ended' }
  | { readonly kind: 'last-checkpoint-complete' }
  | { readonly kind: 'tasks-finished' }
  | {
      readonly kind: 'failure';
      readonly error: unknown;
      /** What cannot go on. */
      readonly regions: Regions;
      readonly atMs: number;
      readonly chance: number;
    }
  | { readonly kind: 'tasks-gone' }
  | { readonly kind: 'delay-over' }
  | { readonly kind: 'cancel' }
  /** This process leads the job no more, and the job is to go on. */
  | { readonly kind: 'suspend' };

/** What the JobMaster must do. */
export type JobLifeAction =
  /** Commit what the restored checkpoint holds, then deploy all tasks of the regions under this attempt. */
  | { readonly kind: 'deploy'; readonly attempt: number; readonly regions: Regions }
  | { readonly kind: 'take-last-checkpoint' }
  | { readonly kind: 'finish-tasks' }
  /** Also those that are on their way to be deployed. Answer `tasks-gone` when all of them are. */
  | { readonly kind: 'cancel-tasks'; readonly regions: Regions }
  /** Replaces an earlier one. */
  | { readonly kind: 'wait'; readonly delayMs: number }
  | { readonly kind: 'done' };

export interface JobLifeStep {
  readonly life: JobLife;
  readonly failures: FailureHistory;
  readonly actions: readonly JobLifeAction[];
}

/** Kinds of errors that a restart cannot mend. */
const FINAL_KINDS: ReadonlySet<string> = new Set(['invalid', 'corrupt', 'fenced']);

const FINAL = 'a restart cannot mend this';

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
  suspending: 'SUSPENDED',
  finished: 'FINISHED',
  failed: 'FAILED',
  canceled: 'CANCELED',
  suspended: 'SUSPENDED',
};

/** How a job that ended so is written down. */
export const END_OF: Readonly<Record<Exclude<JobResult['status'], 'SUSPENDED'>, JobEnd>> = {
  FINISHED: 'finished',
  FAILED: 'failed',
  CANCELED: 'canceled',
};

export function isTerminal(life: JobLife): boolean {
  switch (life.kind) {
    case 'finished':
    case 'failed':
    case 'canceled':
    case 'suspended':
      return true;
    default:
      return false;
  }
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
      return life.kind === 'waiting' ? deploy(life, failures) : stay;
    case 'cancel':
      return stepCancel(life, failures, 'canceling');
    case 'suspend':
      // A job that has failed for good stays failed: it would fail again.
      if (life.kind === 'failing' && life.next.kind === 'give-up') return stay;
      return stepCancel(life, failures, 'suspending');
  }
}

function deploy(
  { attempt, down }: Extract<JobLife, { kind: 'waiting' }>,
  failures: FailureHistory,
): JobLifeStep {
  const next = attempt + 1;
  return {
    life: { kind: 'starting', attempt: next, down },
    failures,
    actions: [{ kind: 'deploy', attempt: next, regions: down }],
  };
}

type Failure = Extract<JobLifeEvent, { kind: 'failure' }>;

function stepFailure(
  life: JobLife,
  event: Failure,
  failures: FailureHistory,
  strategy: RestartStrategy,
): JobLifeStep {
  const fail = (down: Regions, cancel: Regions): JobLifeStep => {
    const attempt = 'attempt' in life ? life.attempt : 0;
    return failing({ attempt, event, failures, strategy, down, cancel });
  };
  switch (life.kind) {
    case 'starting': {
      const down = union(life.down, event.regions);
      return fail(down, down);
    }
    case 'running':
    case 'ending':
      return fail(event.regions, event.regions);
    // Tasks that have closed cannot go on.
    case 'closing':
      return fail('all', 'all');
    case 'waiting': {
      if (!isRecoverable(event.error)) return fail('all', 'all');
      const added = without(event.regions, life.down);
      if (added === undefined) break;
      return fail(union(life.down, added), added);
    }
    // What breaks in a region while its tasks are being stopped follows from the first failure. One
    // in another region has mostly the same cause, such as a slot in which both had tasks: it goes
    // down with the first, and does not count by itself.
    case 'failing': {
      if (!isRecoverable(event.error)) return giveUp(life, event.error, failures);
      const added = without(event.regions, life.down);
      if (added === undefined) break;
      return {
        life: { ...life, down: union(life.down, added) },
        failures,
        actions: [{ kind: 'cancel-tasks', regions: added }],
      };
    }
    case 'canceling':
    case 'suspending':
    case 'finished':
    case 'failed':
    case 'canceled':
    case 'suspended':
      break;
  }
  return { life, failures, actions: [] };
}

/** Another JobManager leads, say: what the first failure would have had for a restart is gone. */
function giveUp(
  life: Extract<JobLife, { kind: 'failing' }>,
  error: unknown,
  failures: FailureHistory,
): JobLifeStep {
  if (life.next.kind === 'give-up') return { life, failures, actions: [] };
  const next: RestartDecision = { kind: 'give-up', why: FINAL };
  return {
    life: { ...life, down: 'all', cause: error, next },
    failures,
    actions: [{ kind: 'cancel-tasks', regions: 'all' }],
  };
}

interface FailingOptions {
  readonly attempt: number;
  readonly event: Failure;
  readonly failures: FailureHistory;
  readonly strategy: RestartStrategy;
  readonly down: Regions;
  readonly cancel: Regions;
}

function failing(options: FailingOptions): JobLifeStep {
  const { attempt, event, failures, strategy } = options;
  const history = [...failures, event.atMs].slice(-FAILURES_KEPT_MAX);
  const next: RestartDecision = isRecoverable(event.error)
    ? decideRestart(strategy, history, event.chance)
    : { kind: 'give-up', why: FINAL };
  const isOver = next.kind === 'give-up';
  const down = isOver ? 'all' : options.down;
  const regions = isOver ? 'all' : options.cancel;
  return {
    life: { kind: 'failing', attempt, down, cause: event.error, next },
    failures: history,
    actions: [{ kind: 'cancel-tasks', regions }],
  };
}

function stepTasksGone(life: JobLife, failures: FailureHistory): JobLifeStep {
  if (life.kind === 'canceling') {
    return { life: { kind: 'canceled' }, failures, actions: [{ kind: 'done' }] };
  }
  if (life.kind === 'suspending') {
    return { life: { kind: 'suspended' }, failures, actions: [{ kind: 'done' }] };
  }
  if (life.kind !== 'failing') return { life, failures, actions: [] };
  if (life.next.kind === 'give-up') {
    return { life: { kind: 'failed', cause: life.cause }, failures, actions: [{ kind: 'done' }] };
  }
  return {
    life: { kind: 'waiting', attempt: life.attempt, down: life.down, cause: life.cause },
    failures,
    actions: [{ kind: 'wait', delayMs: life.next.delayMs }],
  };
}

function stepCancel(
  life: JobLife,
  failures: FailureHistory,
  to: 'canceling' | 'suspending',
): JobLifeStep {
  switch (life.kind) {
    case 'starting':
    case 'running':
    case 'ending':
    case 'failing':
    case 'waiting':
      return {
        life: { kind: to, attempt: life.attempt },
        failures,
        actions: [{ kind: 'cancel-tasks', regions: 'all' }],
      };
    // The last checkpoint is complete: the job has finished in all but name.
    case 'closing':
    case 'canceling':
    case 'suspending':
    case 'finished':
    case 'failed':
    case 'canceled':
    case 'suspended':
      return { life, failures, actions: [] };
  }
}

export function includesRegion(regions: Regions, region: number): boolean {
  return regions === 'all' || regions.has(region);
}

function union(a: Regions, b: Regions): Regions {
  return a === 'all' || b === 'all' ? 'all' : new Set([...a, ...b]);
}

/** What is in `regions` and not in `others`; undefined if that is nothing. */
function without(regions: Regions, others: Regions): Regions | undefined {
  if (others === 'all') return undefined;
  if (regions === 'all') return regions;
  const rest = [...regions].filter((region) => !others.has(region));
  return rest.length === 0 ? undefined : new Set(rest);
}
