import {
  initialCoordinator,
  stepCoordinator,
} from '../../src/checkpoint/checkpoint-coordinator.ts';
import type {
  CoordinatedVertex,
  CoordinatorAction,
  CoordinatorEventBody,
  CoordinatorSettings,
  CoordinatorState,
  TaskRef,
} from '../../src/checkpoint/coordinator-types.ts';
import type {
  OperatorSnapshot,
  SerializedCommittable,
  TaskAcknowledgement,
} from '../../src/contracts/snapshots.ts';

type ActionOf<Kind extends CoordinatorAction['kind']> = Extract<CoordinatorAction, { kind: Kind }>;

export const SETTINGS: CoordinatorSettings = {
  intervalMs: 1000,
  timeoutMs: 5000,
  minPauseMs: 0,
  maxConcurrent: 1,
  tolerableFailures: 3,
  numRetained: 1,
  unaligned: false,
  historySize: 10,
};

/** source (2) ═keyed═► sink (2) */
export const VERTICES: readonly CoordinatedVertex[] = [
  { id: 'source', parallelism: 2, operators: ['source'], inputs: [] },
  {
    id: 'sink',
    parallelism: 2,
    operators: ['count', 'sink'],
    inputs: [{ vertex: 'source', pointwise: false }],
  },
];

export function tasksOf(vertices: readonly CoordinatedVertex[], attempt: number): TaskRef[] {
  return vertices.flatMap(({ id, parallelism }) =>
    Array.from({ length: parallelism }, (_, subtask) => ({ vertex: id, subtask, attempt })),
  );
}

export function emptySnapshot(uid: string, subtask: number): OperatorSnapshot {
  return {
    uid,
    subtask,
    parallelism: 2,
    keyed: [],
    operator: undefined,
    schemas: [],
    watermarkMs: 1000,
    finished: false,
    committables: [],
  };
}

export function ackOf(
  task: TaskRef,
  checkpointId: number,
  operators?: readonly OperatorSnapshot[],
): TaskAcknowledgement {
  const uids = VERTICES.find(({ id }) => id === task.vertex)?.operators ?? [];
  return {
    checkpointId,
    ...task,
    operators: operators ?? uids.map((uid) => emptySnapshot(uid, task.subtask)),
    metrics: { alignmentMs: 2, syncMs: 1, asyncMs: 3, writtenBytes: 10, stateBytes: 100 },
  };
}

/** Drives a coordinator, and answers for the rest of the world where a test does not care. */
export class CoordinatorHarness {
  state: CoordinatorState;
  nowMs = 0;
  attempt = 0;
  /** What HEAD retains. */
  retained: number[] = [];
  readonly log: CoordinatorAction[] = [];
  /** How many were under way when each checkpoint began, itself included. */
  readonly concurrency: number[] = [];
  /** What waits for an answer. */
  unanswered: CoordinatorAction[] = [];

  constructor(settings: Partial<CoordinatorSettings> = {}) {
    this.state = initialCoordinator({
      settings: { ...SETTINGS, ...settings },
      identity: {
        jobId: '02423caa95fb3189599b51c06bdcc777',
        jobName: 'wordcount',
        lineage: 'l1',
        epoch: 3,
        planHash: 'p1',
        maxParallelism: 128,
      },
      firstId: 1,
      idsThrough: 4,
    });
  }

  send(body: CoordinatorEventBody): readonly CoordinatorAction[] {
    const at = { monotonicMs: this.nowMs, wallMs: 1_700_000_000_000 + this.nowMs };
    const { state, actions } = stepCoordinator(this.state, { ...body, at });
    this.state = state;
    this.log.push(...actions);
    const begins = actions.some(
      (action) => action.kind === 'take-coordinator-state' && action.snapshot === 'checkpoint',
    );
    if (begins) this.concurrency.push(state.pending.size);
    this.unanswered.push(...actions.filter(({ kind }) => ANSWERED.has(kind)));
    return actions;
  }

  /** Starts the tasks of the next attempt. */
  start(from?: Extract<CoordinatorEventBody, { kind: 'restored' }>['from']): void {
    this.attempt += 1;
    this.send({ kind: 'restored', attempt: this.attempt, from });
    this.settle();
    const tasks = tasksOf(VERTICES, this.attempt);
    this.send({ kind: 'tasks-running', vertices: VERTICES, tasks });
  }

  /** Lets time pass, and ticks whenever the coordinator asked for it. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.state.timers.wakeMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.state.timers.wakeMs);
      this.send({ kind: 'tick' });
      if (this.state.timers.wakeMs <= this.nowMs) break;
    }
    this.nowMs = endMs;
  }

  /** Answers everything well until there is nothing left to answer, except what `keep` names. */
  settle(...keep: readonly CoordinatorAction['kind'][]): void {
    for (;;) {
      const next = this.unanswered.find(({ kind }) => !keep.includes(kind));
      if (next === undefined) return;
      this.answer(next);
    }
  }

  answer(action: CoordinatorAction): void {
    this.unanswered = this.unanswered.filter((one) => one !== action);
    switch (action.kind) {
      case 'take-coordinator-state':
        this.taken(action);
        return;
      case 'send-barriers': {
        const { checkpointId } = action.barrier;
        for (const task of this.state.tasks.values()) this.ack(task, checkpointId);
        return;
      }
      case 'store-metadata':
        this.stored(action);
        return;
      case 'move-head':
        this.moved(action);
        return;
      case 'reserve-ids':
        this.send({ kind: 'ids-reserved', idsThrough: action.idsUsedThrough + 4 });
        return;
      case 'commit':
        this.send({ kind: 'commit-results', results: action.committables.map(() => 'done') });
        return;
      default:
    }
  }

  taken(action: ActionOf<'take-coordinator-state'>): void {
    const { checkpointId, snapshot } = action;
    const location = { storeUrl: undefined, folder: `savepoint-02423c-${checkpointId}` };
    this.send({
      kind: 'coordinator-state-taken',
      checkpointId,
      coordinators: { source: 'AAAA' },
      location: snapshot === 'savepoint' ? location : undefined,
    });
  }

  ack(task: TaskRef, checkpointId: number, operators?: readonly OperatorSnapshot[]): void {
    this.send({ kind: 'ack', ack: ackOf(task, checkpointId, operators) });
  }

  /** As `ack`, with committables of the sink. */
  ackWith(
    task: TaskRef,
    checkpointId: number,
    committables: readonly SerializedCommittable[],
  ): void {
    const uids = VERTICES.find(({ id }) => id === task.vertex)?.operators ?? [];
    const operators = uids.map((uid) => ({
      ...emptySnapshot(uid, task.subtask),
      committables: uid === 'sink' ? committables : [],
    }));
    this.ack(task, checkpointId, operators);
  }

  stored({ checkpointId, location }: ActionOf<'store-metadata'>): void {
    const url = `memory://blobs/${location.folder}`;
    this.send({
      kind: 'metadata-stored',
      checkpointId,
      url,
      metadataBytes: 100,
      metadataCrc32: 7,
    });
  }

  moved(action: ActionOf<'move-head'>): void {
    const { checkpointId, becomesLatest, idsUsedThrough, numRetained } = action;
    const before = this.retained;
    if (becomesLatest) this.retained = [...before, checkpointId].slice(-numRetained);
    const dropped = before.filter((id) => !this.retained.includes(id));
    this.send({ kind: 'head-moved', checkpointId, idsThrough: idsUsedThrough + 4, dropped });
  }

  actions<Kind extends CoordinatorAction['kind']>(kind: Kind): ActionOf<Kind>[] {
    return this.log.filter((action): action is ActionOf<Kind> => action.kind === kind);
  }

  last<Kind extends CoordinatorAction['kind']>(kind: Kind): ActionOf<Kind> {
    const action = this.actions(kind).at(-1);
    if (action === undefined) throw new TypeError(`no action ${kind} yet`);
    return action;
  }

  /** Ids of snapshots that were begun. */
  begun(): number[] {
    return this.actions('take-coordinator-state').map(({ checkpointId }) => checkpointId);
  }

  completed(): number[] {
    return this.actions('notify-complete').map(({ checkpointId }) => checkpointId);
  }
}

const ANSWERED: ReadonlySet<string> = new Set([
  'take-coordinator-state',
  'send-barriers',
  'store-metadata',
  'move-head',
  'reserve-ids',
  'commit',
]);
