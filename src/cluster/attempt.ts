import type { SnapshotLocation, TaskRef } from '../checkpoint/coordinator-types.ts';
import type { CheckpointBarrier, TaskAcknowledgement } from '../contracts/snapshots.ts';
import type { ExecutionVertex } from '../graph/execution-plan.ts';
import type { JobMasterGateway, TaskGateway, TaskId } from '../runtime/gateways.ts';
import type { OperatorEvent } from '../runtime/operator.ts';
import type { RestoreProgress } from '../common/restore-progress.ts';
import type { OperatorCoordinators } from './coordinator/operator-coordinators.ts';
import { taskKey, type Deployment, type TaskPlace } from './deployment.ts';
import type { Restored } from './job-store.ts';

export interface AttemptListener {
  /** One more task runs, has come to the end of its inputs, or has finished. */
  changed(task: TaskId, to: 'running' | 'ended-input' | 'finished'): void;
  failed(error: unknown, task: TaskId): void;
  acknowledged(acknowledgement: TaskAcknowledgement): void;
  declined(task: TaskRef, checkpointId: number, message: string): void;
}

export interface AttemptOptions {
  readonly number: number;
  /** Those of one region. */
  readonly vertices: readonly ExecutionVertex[];
  readonly deployment: Deployment;
  readonly coordinators: OperatorCoordinators;
  readonly restored: Restored;
  readonly listener: AttemptListener;
}

/**
 * One execution of a region of a job: its tasks, wherever they run, and the enumerators of its
 * sources.
 *
 * Invariant: after `cancel` has resolved nothing of the attempt runs, writes or reports any more.
 */
export class Attempt {
  readonly number: number;
  readonly #options: AttemptOptions;
  readonly #total: number;
  #tasks: ReadonlyMap<string, TaskGateway> = new Map();
  #sourcesStarted = false;
  readonly #running = new Map<string, TaskId>();
  readonly #ended = new Set<string>();
  readonly #finished = new Set<string>();
  #over = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.number = options.number;
    this.#total = options.vertices.reduce((sum, vertex) => sum + vertex.parallelism, 0);
  }

  /** Makes all tasks and lets them run. A failure on the way is reported, not thrown. */
  start(): void {
    if (this.#over) return;
    const { vertices, deployment, coordinators, restored, number: attempt } = this.#options;
    const { plan, from } = restored;
    this.#tasks = deployment.deploy({
      attempt,
      vertices: vertices.map(({ id }) => id),
      restore: plan && from && { plan, location: from.checkpoint.location },
      jobMaster: this.#gateway(),
    });
    this.#sourcesStarted = true;
    coordinators.startSources(
      attempt,
      sourcesOf(vertices).map(({ uid, parallelism }) => ({
        uid,
        parallelism,
        from: plan?.coordinators.get(uid),
      })),
    );
  }

  get isRunning(): boolean {
    return this.#running.size === this.#total;
  }

  /** All tasks have come to the end of their inputs. */
  get hasEnded(): boolean {
    return this.#ended.size === this.#total;
  }

  get hasFinished(): boolean {
    return this.#finished.size === this.#total;
  }

  /** Those that run. */
  tasks(): readonly TaskRef[] {
    return [...this.#running.values()];
  }

  has(vertex: string): boolean {
    return this.#options.vertices.some(({ id }) => id === vertex);
  }

  triggerCheckpoint(barrier: CheckpointBarrier, to: TaskRef, location: SnapshotLocation): void {
    this.#task(to)?.triggerCheckpoint({ ...barrier, location });
  }

  notifyComplete(checkpointId: number, to: TaskRef): void {
    this.#task(to)?.notifyCheckpointComplete(checkpointId);
  }

  notifyAborted(checkpointId: number, to: TaskRef): void {
    this.#task(to)?.notifyCheckpointAborted(checkpointId);
  }

  /** From a source's enumerator to one of its readers. */
  operatorEvent(uid: string, subtask: number, event: OperatorEvent): void {
    const vertex = this.#options.vertices.find(({ operators }) => operators[0]?.uid === uid);
    if (vertex !== undefined) this.#task({ vertex: vertex.id, subtask })?.operatorEvent(uid, event);
  }

  /** The input of all sources ends. */
  drain(): void {
    for (const { id, operators, parallelism } of this.#options.vertices) {
      if (operators[0]?.kind !== 'source') continue;
      for (let subtask = 0; subtask < parallelism; subtask += 1) {
        this.#task({ vertex: id, subtask })?.drain();
      }
    }
  }

  /** The last checkpoint, or the savepoint of a stop, is complete: all tasks close. */
  finish(): void {
    for (const task of this.#tasks.values()) task.finish();
  }

  async cancel(): Promise<void> {
    this.#over = true;
    const { coordinators, deployment, vertices } = this.#options;
    const sources = this.#sourcesStarted ? sourcesOf(vertices).map(({ uid }) => uid) : [];
    await Promise.all([
      ...[...this.#tasks.values()].map((task) => task.cancel()),
      coordinators.stopSources(sources),
    ]);
    await deployment.close();
  }

  /** Records that the sources of this attempt have emitted. */
  recordsRead(): number {
    return this.#options.deployment.recordsRead();
  }

  restoreProgress(): RestoreProgress | undefined {
    return this.#options.deployment.restoreProgress();
  }

  /** Undefined for a subtask that it does not have. */
  placeOf(task: Pick<TaskId, 'vertex' | 'subtask'>): TaskPlace | undefined {
    return this.#options.deployment.placeOf(task);
  }

  #task(ref: { readonly vertex: string; readonly subtask: number }): TaskGateway | undefined {
    return this.#tasks.get(taskKey(ref));
  }

  #gateway(): JobMasterGateway {
    const { listener, coordinators, number } = this.#options;
    const mark = (
      task: TaskId,
      to: 'running' | 'ended-input' | 'finished',
      add: () => void,
    ): void => {
      if (this.#over) return;
      add();
      listener.changed(task, to);
    };
    return {
      taskRunning: (task) => {
        mark(task, 'running', () => this.#running.set(taskKey(task), task));
      },
      taskEndedInput: (task) => {
        mark(task, 'ended-input', () => this.#ended.add(taskKey(task)));
      },
      taskFinished: (task) => {
        mark(task, 'finished', () => this.#finished.add(taskKey(task)));
      },
      taskFailed: (task, error) => {
        if (!this.#over) listener.failed(error, task);
      },
      acknowledge: (acknowledgement) => {
        if (!this.#over) listener.acknowledged(acknowledgement);
      },
      decline: (task, checkpointId, error) => {
        if (this.#over) return;
        const message = error instanceof Error ? error.message : String(error);
        listener.declined(task, checkpointId, message);
      },
      operatorEvent: (task, uid, event: OperatorEvent) => {
        if (!this.#over) coordinators.operatorEvent(uid, number, task.subtask, event);
      },
    };
  }
}

function sourcesOf(vertices: readonly ExecutionVertex[]): { uid: string; parallelism: number }[] {
  return vertices.flatMap(({ operators, parallelism }) => {
    const [head] = operators;
    return head?.kind === 'source' ? [{ uid: head.uid, parallelism }] : [];
  });
}
