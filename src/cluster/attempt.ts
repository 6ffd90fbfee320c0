import { EngineError } from '../common/errors.ts';
import type { Restored, JobStore } from './job-store.ts';
import type { SnapshotLocation, TaskRef } from '../checkpoint/coordinator-types.ts';
import type { Random } from '../common/random.ts';
import type { Source, World } from '../contracts/source.ts';
import type {
  CheckpointBarrier,
  OperatorRestore,
  TaskAcknowledgement,
} from '../contracts/snapshots.ts';
import type { JobGraph, JobVertex } from '../graph/job-graph.ts';
import type { JobMasterGateway, TaskId, TaskRestore } from '../runtime/gateways.ts';
import type { OperatorEvent } from '../runtime/operator.ts';
import type { Task } from '../runtime/task.ts';
import type { TaskSettings } from '../runtime/task-options.ts';
import { TaskThread } from '../runtime/task-thread.ts';
import { createTask } from './create-task.ts';
import { LocalExchange } from './local-exchange.ts';
import { SourceCoordinator } from './source-coordinator.ts';

export interface AttemptListener {
  /** All tasks run. Told once, before any `inputsEnded`. */
  allRunning(tasks: readonly TaskRef[]): void;
  inputsEnded(): void;
  allFinished(): void;
  failed(error: unknown): void;
  acknowledged(acknowledgement: TaskAcknowledgement): void;
  declined(task: TaskRef, checkpointId: number, message: string): void;
}

export interface AttemptOptions {
  readonly number: number;
  readonly jobGraph: JobGraph;
  readonly world: World;
  readonly store: JobStore;
  readonly settings: TaskSettings;
  readonly restored: Restored;
  readonly listener: AttemptListener;
  readonly printChain: ((text: string) => void) | undefined;
  readonly schedulingRandom: Random | undefined;
}

/**
 * One execution of a job: its tasks, the channels between them, and the enumerators of its sources.
 * All tasks run in one thread.
 *
 * Invariant: after `cancel` has resolved nothing of the attempt runs, writes or reports any more.
 */
export class Attempt {
  readonly number: number;
  readonly #options: AttemptOptions;
  readonly #thread: TaskThread;
  readonly #tasks = new Map<string, Task>();
  readonly #sources = new Map<string, SourceCoordinator>();
  readonly #locations = new Map<number, SnapshotLocation>();
  readonly #running = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #finished = new Set<string>();
  #over = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.number = options.number;
    const { world, schedulingRandom } = options;
    this.#thread = new TaskThread({ clock: world.clock, random: schedulingRandom });
  }

  /** Makes all tasks and lets them run. A failure on the way is reported, not thrown. */
  start(): void {
    if (this.#over) return;
    const { jobGraph, world } = this.#options;
    const gateway = this.#gateway();
    const exchange = new LocalExchange(jobGraph);
    for (const vertex of jobGraph.vertices) {
      this.#addSource(vertex);
      for (let subtask = 0; subtask < vertex.parallelism; subtask += 1) {
        const id: TaskId = { vertex: vertex.id, subtask, attempt: this.number };
        const task = createTask({
          id,
          vertex,
          jobGraph,
          world,
          exchange,
          jobMaster: gateway,
          store: this.#options.store,
          settings: this.#options.settings,
          printChain: subtask === 0 ? this.#options.printChain : undefined,
          locationOf: (barrier) => this.#locationOf(barrier),
          restore: this.#restoreOf(subtask),
          random: this.#options.schedulingRandom,
        });
        this.#tasks.set(keyOf(id), task);
      }
    }
    for (const task of this.#tasks.values()) this.#thread.run(task);
    for (const source of this.#sources.values()) {
      source.start().catch((error: unknown) => {
        this.#fail(error);
      });
    }
  }

  /** Enumerators' state by uid, base64. What they assign from now on waits for the barriers. */
  snapshotCoordinators(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.#sources].map(([uid, source]) => [
        uid,
        Buffer.from(source.snapshot()).toString('base64'),
      ]),
    );
  }

  releaseCoordinators(): void {
    for (const source of this.#sources.values()) source.release();
  }

  sendBarriers(
    barrier: CheckpointBarrier,
    to: readonly TaskRef[],
    location: SnapshotLocation,
  ): void {
    this.#locations.set(barrier.checkpointId, location);
    for (const ref of to) this.#task(ref)?.triggerCheckpoint(barrier);
  }

  notifyComplete(checkpointId: number, to: readonly TaskRef[]): void {
    for (const ref of to) this.#task(ref)?.notifyCheckpointComplete(checkpointId);
    for (const id of this.#locations.keys()) if (id <= checkpointId) this.#locations.delete(id);
  }

  notifyAborted(checkpointId: number, to: readonly TaskRef[]): void {
    for (const ref of to) this.#task(ref)?.notifyCheckpointAborted(checkpointId);
  }

  /** The last checkpoint is complete: all tasks close. */
  finish(): void {
    for (const task of this.#tasks.values()) task.finish();
  }

  async cancel(): Promise<void> {
    this.#over = true;
    await Promise.all([
      ...[...this.#tasks.values()].map((task) => task.cancel()),
      ...[...this.#sources.values()].map((source) => source.close()),
    ]);
  }

  /** Records that the sources of this attempt have emitted. */
  recordsRead(): number {
    let sum = 0;
    for (const task of this.#tasks.values()) sum += task.metrics().recordsRead;
    return sum;
  }

  #addSource(vertex: JobVertex): void {
    const node = vertex.operators[0]?.node;
    if (node?.spec.kind !== 'source') return;
    const { uid } = node;
    const base64 = this.#options.restored.plan?.coordinators.get(uid);
    const coordinator = new SourceCoordinator({
      uid,
      source: node.spec.source as Source<unknown>,
      parallelism: vertex.parallelism,
      world: this.#options.world,
      from: base64 === undefined ? undefined : Buffer.from(base64, 'base64'),
      send: (subtask, event) => {
        this.#tasks.get(keyOf({ vertex: vertex.id, subtask }))?.operatorEvent(uid, event);
      },
      fail: (error) => {
        this.#fail(error);
      },
    });
    this.#sources.set(uid, coordinator);
  }

  #restoreOf(subtask: number): TaskRestore | undefined {
    const { plan, read } = this.#options.restored;
    if (plan === undefined) return undefined;
    const operators = new Map<string, OperatorRestore>();
    for (const [uid, subtasks] of plan.operators) {
      const restore = subtasks[subtask];
      if (restore !== undefined) operators.set(uid, restore);
    }
    return { operators, read };
  }

  #locationOf(barrier: CheckpointBarrier): SnapshotLocation {
    const location = this.#locations.get(barrier.checkpointId);
    if (location !== undefined) return location;
    throw new EngineError('JOB-004', 'unavailable', 'the checkpoint is over', {
      details: { checkpoint: barrier.checkpointId },
      hint: 'Nothing needs to be done: the snapshot came too late and is dropped.',
    });
  }

  #task(ref: { readonly vertex: string; readonly subtask: number }): Task | undefined {
    return this.#tasks.get(keyOf(ref));
  }

  #fail(error: unknown): void {
    if (!this.#over) this.#options.listener.failed(error);
  }

  #gateway(): JobMasterGateway {
    const { listener } = this.#options;
    const total = (): number => this.#tasks.size;
    const mark = (set: Set<string>, task: TaskId, whenAll: () => void): void => {
      if (this.#over) return;
      set.add(keyOf(task));
      if (set.size === total()) whenAll();
    };
    return {
      taskRunning: (task) => {
        mark(this.#running, task, () => {
          listener.allRunning([...this.#tasks.values()].map(({ id }) => id));
          if (this.#ended.size === total()) listener.inputsEnded();
        });
      },
      taskEndedInput: (task) => {
        mark(this.#ended, task, () => {
          if (this.#running.size === total()) listener.inputsEnded();
        });
      },
      taskFinished: (task) => {
        mark(this.#finished, task, () => {
          listener.allFinished();
        });
      },
      taskFailed: (_task, error) => {
        this.#fail(error);
      },
      acknowledge: (acknowledgement) => {
        if (!this.#over) listener.acknowledged(acknowledgement);
      },
      decline: (task, checkpointId, error) => {
        if (this.#over) return;
        listener.declined(
          task,
          checkpointId,
          error instanceof Error ? error.message : String(error),
        );
      },
      operatorEvent: (task, uid, event: OperatorEvent) => {
        if (!this.#over) this.#sources.get(uid)?.operatorEvent(task.subtask, event);
      },
    };
  }
}

function keyOf(ref: { readonly vertex: string; readonly subtask: number }): string {
  return `${ref.vertex}\u0000${ref.subtask}`;
}
