/**
 * Runs the vertices of a stream graph in one thread: tasks, channels, and as much of a JobMaster as
 * the tests of the runtime need. Checkpoints are kept in memory; a second harness can restore them.
 */
import { assert } from '../../src/common/assert.ts';
import { crc32 } from '../../src/common/crc32.ts';
import { systemRandom, type Random } from '../../src/common/random.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import type {
  BlobHandle,
  CheckpointBarrier,
  OperatorRestore,
  SnapshotKind,
  TaskAcknowledgement,
} from '../../src/contracts/snapshots.ts';
import type { SplitEnumerator, World } from '../../src/contracts/source.ts';
import { buildJobGraph } from '../../src/graph/build-job-graph.ts';
import type { JobEdge, JobGraph } from '../../src/graph/job-graph.ts';
import type { StreamNode } from '../../src/graph/operator-spec.ts';
import { createOperator } from '../../src/operators/registry.ts';
import type { JobMasterGateway, TaskId } from '../../src/runtime/gateways.ts';
import { LocalChannel } from '../../src/runtime/local-channel.ts';
import type { OperatorEvent } from '../../src/runtime/operator.ts';
import { DEFAULT_TASK_SETTINGS, type TaskSettings } from '../../src/runtime/task-options.ts';
import { TaskThread } from '../../src/runtime/task-thread.ts';
import { Task } from '../../src/runtime/task.ts';
import { ByteReader, ByteWriter } from '../../src/serde/bytes.ts';
import { HashmapBackend, type BackendTuning } from '../../src/state/hashmap-backend.ts';
import type { BlobRange, SnapshotTarget } from '../../src/state/keyed-state-backend.ts';
import { ManualClock } from './manual-clock.ts';

export interface HarnessOptions {
  readonly nodes: readonly StreamNode[];
  readonly parallelism?: number;
  readonly maxParallelism?: number;
  readonly settings?: Partial<TaskSettings>;
  readonly restore?: CompletedCheckpoint;
  /** As under simulation. */
  readonly random?: Random;
  readonly batchesMax?: number;
  /** Makes storing a snapshot's file fail. */
  readonly store?: (barrier: CheckpointBarrier, uid: string) => Promise<void>;
  readonly printChain?: (text: string) => void;
  /** For the keyed backends. */
  readonly tuning?: BackendTuning;
  /** Restores by ranges of files, each after this; it may fail. */
  readonly beforeRange?: () => Promise<void>;
}

export interface CompletedCheckpoint {
  readonly checkpointId: number;
  readonly kind: SnapshotKind;
  readonly acknowledgements: readonly TaskAcknowledgement[];
  readonly enumerators: ReadonlyMap<string, Uint8Array>;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

interface Pending {
  readonly barrier: CheckpointBarrier;
  readonly acknowledgements: TaskAcknowledgement[];
  readonly enumerators: ReadonlyMap<string, Uint8Array>;
}

interface Coordinator {
  readonly enumerator: SplitEnumerator<unknown>;
  readonly snapshot: () => Uint8Array;
}

export class TaskHarness implements JobMasterGateway {
  readonly clock = new ManualClock();
  readonly graph: JobGraph;
  readonly tasks: Task[] = [];
  readonly completed: CompletedCheckpoint[] = [];
  readonly declined: { checkpointId: number; error: unknown }[] = [];
  readonly failures: { task: TaskId; error: unknown }[] = [];
  readonly running: TaskId[] = [];
  readonly ended: TaskId[] = [];
  readonly finished: TaskId[] = [];
  readonly thread: TaskThread;
  readonly blobs = new Map<string, Uint8Array>();
  readonly #options: HarnessOptions;
  readonly #world: World;
  readonly #coordinators = new Map<string, Coordinator>();
  readonly #pending = new Map<number, Pending>();
  #lastId: number;

  constructor(options: HarnessOptions) {
    this.#options = options;
    const { parallelism = 1, maxParallelism = 128, random } = options;
    this.graph = buildJobGraph(
      { jobName: 'test', nodes: options.nodes },
      { parallelism, maxParallelism },
    );
    this.#world = { clock: this.clock, random: systemRandom, fs: nodeFileSystem };
    this.#lastId = options.restore?.checkpointId ?? 0;
    for (const [path, bytes] of options.restore?.blobs ?? []) this.blobs.set(path, bytes);
    this.thread = new TaskThread({ clock: this.clock, random });
    this.#makeCoordinators();
    this.#makeTasks();
  }

  /** Starts all tasks and waits until they are running. */
  async start(): Promise<void> {
    for (const { enumerator } of this.#coordinators.values()) await enumerator.start();
    for (const task of this.tasks) this.thread.run(task);
    await this.clock.settle(20);
  }

  /** Runs to the end of all inputs, takes the last checkpoint, finishes. */
  async runToEnd(): Promise<void> {
    await this.start();
    await this.clock.settle();
    this.throwFailure();
    assert(
      this.ended.length === this.tasks.length,
      `${this.ended.length} tasks have ended their input`,
    );
    await this.checkpoint('end');
    for (const task of this.tasks) task.finish();
    await this.clock.settle();
    this.throwFailure();
  }

  throwFailure(): void {
    const [first] = this.failures;
    if (first !== undefined) throw first.error;
  }

  task(uid: string, subtask = 0): Task {
    const task = this.tasks.find(({ id }) => id.vertex === uid && id.subtask === subtask);
    assert(task !== undefined, `no task ${uid}/${subtask}`);
    return task;
  }

  /** Begins a checkpoint; its barriers go out by `inject`. */
  begin(kind: SnapshotKind = 'checkpoint'): CheckpointBarrier {
    const checkpointId = ++this.#lastId;
    const barrier: CheckpointBarrier = {
      checkpointId,
      kind,
      timestampMs: this.clock.wallMs(),
      full: false,
    };
    const enumerators = new Map(
      [...this.#coordinators].map(([uid, { snapshot }]) => [uid, snapshot()]),
    );
    this.#pending.set(checkpointId, { barrier, acknowledgements: [], enumerators });
    return barrier;
  }

  /** Sends the barrier to the tasks of one source, or of all. */
  inject(barrier: CheckpointBarrier, uid?: string): void {
    for (const task of this.tasks) {
      const isRoot = this.#inputsOf(task.id.vertex).length === 0;
      if (isRoot && (uid === undefined || uid === task.id.vertex)) task.triggerCheckpoint(barrier);
    }
  }

  trigger(kind: SnapshotKind = 'checkpoint'): number {
    const barrier = this.begin(kind);
    this.inject(barrier);
    return barrier.checkpointId;
  }

  async checkpoint(kind: SnapshotKind = 'checkpoint'): Promise<CompletedCheckpoint> {
    const id = this.trigger(kind);
    await this.clock.settle();
    const completed = this.completed.find(({ checkpointId }) => checkpointId === id);
    assert(completed !== undefined, `checkpoint ${id} is not complete`);
    return completed;
  }

  abort(checkpointId: number): void {
    this.#pending.delete(checkpointId);
    for (const task of this.tasks) task.notifyCheckpointAborted(checkpointId);
  }

  async cancel(): Promise<void> {
    await Promise.all(this.tasks.map((task) => task.cancel()));
  }

  taskRunning(task: TaskId): void {
    this.running.push(task);
  }

  taskEndedInput(task: TaskId): void {
    this.ended.push(task);
  }

  taskFinished(task: TaskId): void {
    this.finished.push(task);
  }

  taskFailed(task: TaskId, error: unknown): void {
    this.failures.push({ task, error });
  }

  acknowledge(acknowledgement: TaskAcknowledgement): void {
    const { checkpointId } = acknowledgement;
    const pending = this.#pending.get(checkpointId);
    if (pending === undefined) return;
    pending.acknowledgements.push(acknowledgement);
    if (pending.acknowledgements.length < this.tasks.length) return;
    this.#pending.delete(checkpointId);
    this.completed.push({
      checkpointId,
      kind: pending.barrier.kind,
      acknowledgements: pending.acknowledgements,
      enumerators: pending.enumerators,
      blobs: this.blobs,
    });
    for (const task of this.tasks) task.notifyCheckpointComplete(checkpointId);
  }

  decline(_task: TaskId, checkpointId: number, error: unknown): void {
    this.declined.push({ checkpointId, error });
    if (this.#pending.has(checkpointId)) this.abort(checkpointId);
  }

  operatorEvent(task: TaskId, uid: string, event: OperatorEvent): void {
    if (event.kind === 'request-split') {
      this.#coordinators.get(uid)?.enumerator.splitRequested(task.subtask);
    }
  }

  #makeCoordinators(): void {
    for (const { operators, parallelism } of this.graph.vertices) {
      for (const { node } of operators) {
        if (node.spec.kind !== 'source') continue;
        const { uid } = node;
        const { source } = node.spec;
        const send = (subtask: number, event: OperatorEvent) =>
          this.task(uid, subtask).operatorEvent(uid, event);
        const stored = this.#options.restore?.enumerators.get(uid);
        const from =
          stored === undefined ? undefined : source.enumeratorState.read(new ByteReader(stored));
        const enumerator = source.enumerator(
          {
            world: this.#world,
            uid,
            parallelism,
            assign: (split, subtask) => {
              const to = new ByteWriter();
              source.splits.write(split, to);
              send(subtask, { kind: 'add-splits', splits: [to.finish()] });
            },
            noMoreSplits: (subtask) => send(subtask, { kind: 'no-more-splits' }),
            fail: (error) =>
              this.failures.push({ task: { vertex: uid, subtask: -1, attempt: 0 }, error }),
          },
          from,
        );
        const snapshot = () => {
          const to = new ByteWriter();
          source.enumeratorState.write(enumerator.snapshot(), to);
          return to.finish();
        };
        this.#coordinators.set(uid, { enumerator, snapshot });
      }
    }
  }

  #makeTasks(): void {
    const channels = new Map<string, LocalChannel>();
    const channel = (edge: JobEdge, from: number, to: number) => {
      const key = `${edge.id}:${from}>${to}`;
      const { batchesMax } = this.#options;
      const made =
        channels.get(key) ?? new LocalChannel(batchesMax === undefined ? {} : { batchesMax });
      channels.set(key, made);
      return made;
    };
    const parallelismOf = (id: string) =>
      this.graph.vertices.find((one) => one.id === id)?.parallelism ?? 0;
    const peers = (edge: JobEdge, vertex: string, subtask: number) =>
      edge.partitioner.kind === 'forward'
        ? [subtask]
        : Array.from({ length: parallelismOf(vertex) }, (_, i) => i);
    for (const vertex of this.graph.vertices) {
      for (let subtask = 0; subtask < vertex.parallelism; subtask++) {
        const { random, printChain } = this.#options;
        this.tasks.push(
          new Task({
            id: { vertex: vertex.id, subtask, attempt: 0 },
            jobName: 'test',
            vertex,
            maxParallelism: this.graph.maxParallelism,
            writerId: `w-${subtask}`,
            inputs: vertex.inputs.map((edge) => ({
              edgeId: edge.id,
              readers: peers(edge, edge.fromVertex, subtask).map(
                (from) => channel(edge, from, subtask).reader,
              ),
            })),
            outputs: vertex.outputs.map((edge) => ({
              edgeId: edge.id,
              writers: peers(edge, edge.toVertex, subtask).map(
                (to) => channel(edge, subtask, to).writer,
              ),
            })),
            world: this.#world,
            jobMaster: this,
            createOperator,
            createKeyedBackend: (options) => new HashmapBackend(options, this.#options.tuning),
            snapshotTarget: (barrier, uid) => this.#target(barrier, uid, subtask),
            restore: this.#restore(),
            settings: { ...DEFAULT_TASK_SETTINGS, ...this.#options.settings },
            random,
            printChain,
          }),
        );
      }
    }
  }

  #target(barrier: CheckpointBarrier, uid: string, subtask: number): SnapshotTarget {
    return {
      store: async (_scope, name, parts) => {
        await this.#options.store?.(barrier, uid);
        const bytes = Buffer.concat(parts);
        const path = `${barrier.checkpointId}/${uid}-${subtask}-${name}-${this.blobs.size}`;
        this.blobs.set(path, bytes);
        return { kind: 'blob', path, sizeBytes: bytes.length, crc32: crc32(bytes) };
      },
    };
  }

  #restore() {
    const { restore } = this.#options;
    if (restore === undefined) return undefined;
    const operators = new Map<string, OperatorRestore>();
    for (const { operators: snapshots } of restore.acknowledgements) {
      for (const snapshot of snapshots) {
        const known = operators.get(snapshot.uid)?.subtasks ?? [];
        const subtasks = [...known, snapshot].sort((a, b) => a.subtask - b.subtask);
        const { checkpointId } = restore;
        operators.set(snapshot.uid, {
          checkpointId,
          uid: snapshot.uid,
          subtasks,
          reusableBase: false,
        });
      }
    }
    const { beforeRange } = this.#options;
    const readRange = async (handle: BlobHandle, { offset, length }: BlobRange) => {
      await beforeRange?.();
      return this.#read(handle).subarray(offset, offset + length);
    };
    return {
      operators,
      read: async (handle: BlobHandle) => this.#read(handle),
      ...(beforeRange === undefined ? {} : { readRange }),
    };
  }

  #read(handle: BlobHandle): Uint8Array {
    if (handle.kind === 'inline') return Buffer.from(handle.base64, 'base64');
    const bytes = this.blobs.get(handle.path);
    assert(bytes !== undefined, `no blob ${handle.path}`);
    return bytes;
  }

  #inputsOf(vertex: string): readonly JobEdge[] {
    return this.graph.vertices.find(({ id }) => id === vertex)?.inputs ?? [];
  }
}
