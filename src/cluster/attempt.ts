import type { SnapshotLocation, TaskRef } from '../checkpoint/coordinator-types.ts';
import type { Source, World } from '../contracts/source.ts';
import type { CheckpointBarrier, TaskAcknowledgement } from '../contracts/snapshots.ts';
import type { JobGraph, JobVertex } from '../graph/job-graph.ts';
import type { JobMasterGateway, TaskGateway, TaskId } from '../runtime/gateways.ts';
import type { OperatorEvent } from '../runtime/operator.ts';
import { taskKey, type Deployment } from './deployment.ts';
import type { Restored } from './job-store.ts';
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
  readonly deployment: Deployment;
  readonly restored: Restored;
  readonly listener: AttemptListener;
}

/**
 * One execution of a job: its tasks, wherever they run, and the enumerators of its sources.
 *
 * Invariant: after `cancel` has resolved nothing of the attempt runs, writes or reports any more.
 */
export class Attempt {
  readonly number: number;
  readonly #options: AttemptOptions;
  #tasks: ReadonlyMap<string, TaskGateway> = new Map();
  readonly #total: number;
  readonly #sources = new Map<string, SourceCoordinator>();
  readonly #running = new Map<string, TaskId>();
  readonly #ended = new Set<string>();
  readonly #finished = new Set<string>();
  #over = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
    this.number = options.number;
    this.#total = options.jobGraph.vertices.reduce((sum, vertex) => sum + vertex.parallelism, 0);
  }

  /** Makes all tasks and lets them run. A failure on the way is reported, not thrown. */
  start(): void {
    if (this.#over) return;
    const { jobGraph, deployment, restored, number: attempt } = this.#options;
    for (const vertex of jobGraph.vertices) this.#addSource(vertex);
    const { plan, from } = restored;
    const restore = plan && from && { plan, location: from.checkpoint.location };
    this.#tasks = deployment.deploy({
      attempt,
      vertices: jobGraph.vertices.map(({ id }) => id),
      restore,
      jobMaster: this.#gateway(),
    });
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
    for (const ref of to) this.#task(ref)?.triggerCheckpoint({ ...barrier, location });
  }

  notifyComplete(checkpointId: number, to: readonly TaskRef[]): void {
    for (const ref of to) this.#task(ref)?.notifyCheckpointComplete(checkpointId);
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
    await this.#options.deployment.close();
  }

  /** Records that the sources of this attempt have emitted. */
  recordsRead(): number {
    return this.#options.deployment.recordsRead();
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
        this.#tasks.get(taskKey({ vertex: vertex.id, subtask }))?.operatorEvent(uid, event);
      },
      fail: (error) => {
        this.#fail(error);
      },
    });
    this.#sources.set(uid, coordinator);
  }

  #task(ref: { readonly vertex: string; readonly subtask: number }): TaskGateway | undefined {
    return this.#tasks.get(taskKey(ref));
  }

  #fail(error: unknown): void {
    if (!this.#over) this.#options.listener.failed(error);
  }

  #gateway(): JobMasterGateway {
    const { listener } = this.#options;
    const total = this.#total;
    const mark = (set: Set<string>, task: TaskId, whenAll: () => void): void => {
      if (this.#over) return;
      set.add(taskKey(task));
      if (set.size === total) whenAll();
    };
    return {
      taskRunning: (task) => {
        if (this.#over) return;
        this.#running.set(taskKey(task), task);
        if (this.#running.size < total) return;
        listener.allRunning([...this.#running.values()]);
        if (this.#ended.size === total) listener.inputsEnded();
      },
      taskEndedInput: (task) => {
        mark(this.#ended, task, () => {
          if (this.#running.size === total) listener.inputsEnded();
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
