/**
 * For tests: the subtasks of one operator over real state, without a task around them. Everything
 * that comes out is noted; state can go through a snapshot into another parallelism.
 */
import { assert } from '../common/assert.ts';
import type { Clock } from '../common/clock.ts';
import { crc32 } from '../common/crc32.ts';
import { keyGroupOf, keyGroupRangeOf, subtaskOfKeyGroup } from '../common/key-groups.ts';
import { keyHash } from '../common/key-hash.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemRandom } from '../common/random.ts';
import type { BlobHandle, CheckpointBarrier, KeyedRunHandle } from '../contracts/snapshots.ts';
import type { KeySelector } from '../graph/operator-spec.ts';
import { Moment } from '../runtime/inline.ts';
import type {
  FlowControl,
  Operator,
  OperatorContext,
  OperatorOutput,
} from '../runtime/operator.ts';
import { HashmapBackend } from '../state/hashmap-backend.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import { OperatorStateBackend } from '../state/operator-state.ts';

const MAX_PARALLELISM = 16;

export type Emitted =
  | { readonly kind: 'element'; readonly value: unknown; readonly timestampMs: number }
  | { readonly kind: 'side'; readonly tagId: string; readonly value: unknown }
  | { readonly kind: 'watermark'; readonly watermarkMs: number }
  | { readonly kind: 'idle'; readonly idle: boolean };

/** Time that stands still until the test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #tasks: { readonly atMs: number; readonly task: () => void }[] = [];

  constructor(nowMs = 0) {
    this.#nowMs = nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(ms: number, task: () => void): () => void {
    const entry = { atMs: this.#nowMs + ms, task };
    this.#tasks.push(entry);
    return () => {
      this.#tasks = this.#tasks.filter((one) => one !== entry);
    };
  }

  turn(task: () => void): () => void {
    return this.after(0, task);
  }

  /** Moves on, one due task after the other. */
  advanceTo(ms: number, between: () => void = () => undefined): void {
    for (;;) {
      const [next] = this.#tasks
        .filter(({ atMs }) => atMs <= ms)
        .toSorted((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#tasks = this.#tasks.filter((one) => one !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
      between();
    }
    this.#nowMs = Math.max(this.#nowMs, ms);
  }
}

export interface HarnessOptions {
  readonly create: () => Operator;
  /** By input; none: the operator has no key. */
  readonly keys?: readonly (KeySelector | undefined)[];
  readonly parallelism?: number;
  readonly clock?: ManualClock;
  /** Stops the flow after every so many elements that come out. */
  readonly stopEvery?: number;
}

interface Subtask {
  readonly operator: Operator;
  readonly keyed: KeyedStateBackend | undefined;
  readonly operatorState: OperatorStateBackend;
  readonly flow: FlowControl;
  readonly mailbox: (() => void)[];
  readonly output: OperatorOutput;
}

interface SubtaskSnapshot {
  readonly runs: readonly KeyedRunHandle[];
  readonly operator: BlobHandle | undefined;
  readonly watermarkMs: number;
}

interface Snapshot {
  readonly subtasks: readonly SubtaskSnapshot[];
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

export class OperatorHarness {
  readonly clock: ManualClock;
  emitted: Emitted[] = [];
  lateDropped = 0;
  /** How often a subtask was found stopped and went on. */
  resumed = 0;
  readonly #options: HarnessOptions;
  #subtasks: Subtask[] = [];
  #watermarkMs = -Infinity;
  #checkpoints = 0;
  #elementsOut = 0;

  private constructor(options: HarnessOptions) {
    this.#options = options;
    this.clock = options.clock ?? new ManualClock();
  }

  static async open(options: HarnessOptions): Promise<OperatorHarness> {
    const harness = new OperatorHarness(options);
    await harness.#start(options.parallelism ?? 1, undefined);
    return harness;
  }

  /** Values that came out since the last call. */
  take(): unknown[] {
    const values = this.emitted.flatMap((one) => (one.kind === 'element' ? [one.value] : []));
    this.emitted = [];
    return values;
  }

  /** Everything that came out since the last call. */
  takeAll(): Emitted[] {
    const all = this.emitted;
    this.emitted = [];
    return all;
  }

  element(value: unknown, timestampMs: number, input: 0 | 1 = 0): void {
    const key = this.#options.keys?.[input];
    if (key === undefined) {
      // A broadcast side, or an operator without a key.
      const to = this.#options.keys === undefined ? this.#subtasks.slice(0, 1) : this.#subtasks;
      for (const subtask of to) this.#deliver(subtask, value, timestampMs, input);
      return;
    }
    const hash = keyHash(key(value));
    const group = keyGroupOf(hash, MAX_PARALLELISM);
    const owner = subtaskOfKeyGroup(group, MAX_PARALLELISM, this.#subtasks.length);
    const subtask = this.#subtasks[owner];
    assert(subtask?.keyed !== undefined, 'a keyed operator has a backend');
    subtask.keyed.setCurrentKey(key(value), hash);
    this.#deliver(subtask, value, timestampMs, input);
  }

  watermark(watermarkMs: number): void {
    this.#watermarkMs = watermarkMs;
    for (const subtask of this.#subtasks) {
      subtask.operator.processWatermark?.(watermarkMs);
      this.#settle(subtask);
    }
  }

  idle(idle: boolean): void {
    for (const { operator } of this.#subtasks) operator.processIdle?.(idle);
  }

  endInput(): void {
    for (const { operator } of this.#subtasks) operator.endInput?.();
  }

  /** Moves the clock and does what is due. */
  advanceTo(ms: number): void {
    this.clock.advanceTo(ms, () => {
      this.runMail();
    });
  }

  /** Serves the mail and goes on where the flow was stopped. */
  runMail(): void {
    for (const subtask of this.#subtasks) {
      for (const work of subtask.mailbox.splice(0)) work();
      this.#settle(subtask);
    }
  }

  /** Whether a subtask takes no input now. */
  isStopped(): boolean {
    return this.#subtasks.some(({ flow }) => flow.stop);
  }

  rows(): number {
    return this.#subtasks.reduce((sum, { keyed }) => sum + (keyed?.rows() ?? 0), 0);
  }

  async snapshot(): Promise<Snapshot> {
    const checkpointId = ++this.#checkpoints;
    const barrier: CheckpointBarrier = {
      checkpointId,
      kind: 'savepoint',
      timestampMs: 0,
      full: true,
    };
    const blobs = new Map<string, Uint8Array>();
    const store = (parts: readonly Uint8Array[]): BlobHandle => {
      const bytes = Buffer.concat(parts);
      const path = `blob-${blobs.size}`;
      blobs.set(path, bytes);
      return { kind: 'blob', path, sizeBytes: bytes.length, crc32: crc32(bytes) };
    };
    const subtasks: SubtaskSnapshot[] = [];
    for (const { operator, keyed, operatorState } of this.#subtasks) {
      await operator.snapshot?.(barrier);
      const bytes = operatorState.snapshot();
      const running = keyed?.snapshot(barrier, {
        store: (_scope, _name, parts) => Promise.resolve(store(parts)),
      });
      while (running?.drain(10) === false);
      subtasks.push({
        runs: (await running?.handles)?.runs ?? [],
        operator: bytes === undefined ? undefined : store([bytes]),
        watermarkMs: this.#watermarkMs,
      });
    }
    return { subtasks, blobs };
  }

  /** Ends all subtasks and starts others from a snapshot. */
  async restore(snapshot: Snapshot, parallelism: number): Promise<void> {
    await this.close();
    await this.#start(parallelism, snapshot);
  }

  async close(): Promise<void> {
    for (const { operator, keyed } of this.#subtasks) {
      await operator.close();
      keyed?.close();
    }
  }

  async #start(parallelism: number, from: Snapshot | undefined): Promise<void> {
    this.#watermarkMs = Math.min(
      Infinity,
      ...(from?.subtasks.map(({ watermarkMs }) => watermarkMs) ?? [-Infinity]),
    );
    this.#subtasks = [];
    for (let subtask = 0; subtask < parallelism; subtask++) {
      this.#subtasks.push(await this.#startSubtask(subtask, parallelism, from));
    }
    if (this.#watermarkMs > -Infinity) this.watermark(this.#watermarkMs);
  }

  async #startSubtask(
    subtask: number,
    parallelism: number,
    from: Snapshot | undefined,
  ): Promise<Subtask> {
    const keyed =
      this.#options.keys === undefined ? undefined : this.#backend(subtask, parallelism);
    const operatorState = new OperatorStateBackend({ uid: 'tested', subtask, parallelism });
    const flow = { stop: false };
    const mailbox: (() => void)[] = [];
    const output = this.#output(flow);
    const operator = this.#options.create();
    const context: OperatorContext = {
      uid: 'tested',
      jobName: 'job',
      subtask,
      parallelism,
      maxParallelism: MAX_PARALLELISM,
      attempt: 0,
      writerId: `w-${subtask}`,
      world: { clock: this.clock, random: systemRandom, fs: nodeFileSystem },
      output,
      flow,
      keyed,
      operatorState,
      autoWatermarkIntervalMs: 200,
      restored: from !== undefined,
      restoredWatermarkMs: this.#watermarkMs,
      mail: (work) => mailbox.push(work),
      toCoordinator: () => undefined,
      position: () => undefined,
      lateDropped: () => {
        this.lateDropped++;
      },
    };
    operator.declare?.(context);
    if (from !== undefined) await restoreState(from, keyed, operatorState);
    await operator.open(context);
    return { operator, keyed, operatorState, flow, mailbox, output };
  }

  #backend(subtask: number, parallelism: number): HashmapBackend {
    return new HashmapBackend({
      uid: 'tested',
      range: keyGroupRangeOf(subtask, MAX_PARALLELISM, parallelism),
      maxParallelism: MAX_PARALLELISM,
      nowMs: () => this.clock.wallMs(),
      monotonicMs: () => this.clock.monotonicMs(),
    });
  }

  #deliver(subtask: Subtask, value: unknown, timestampMs: number, input: 0 | 1): void {
    subtask.output.moment.timestampMs = timestampMs;
    if (input === 0) subtask.operator.processElement(value, timestampMs);
    else subtask.operator.processElement2?.(value, timestampMs);
    this.#settle(subtask);
  }

  /** Goes on until nothing is interrupted, or the operator itself waits. */
  #settle({ flow, operator }: Subtask): void {
    while (flow.stop) {
      flow.stop = false;
      this.resumed++;
      const isDone = operator.resume?.() ?? true;
      if (isDone || isStopped(flow)) continue;
      // Stopped not by the output but by itself: waits for mail.
      flow.stop = true;
      return;
    }
  }

  #output(flow: FlowControl): OperatorOutput {
    const moment = new Moment();
    const note = (one: Emitted) => {
      this.emitted.push(one);
      if (one.kind !== 'element') return;
      this.#elementsOut++;
      const { stopEvery } = this.#options;
      if (stopEvery !== undefined && this.#elementsOut % stopEvery === 0) flow.stop = true;
    };
    return {
      emit: (value, timestampMs) => note({ kind: 'element', value, timestampMs }),
      side: (tagId, value) => note({ kind: 'side', tagId, value }),
      watermark: (watermarkMs) => note({ kind: 'watermark', watermarkMs }),
      idle: (idle) => note({ kind: 'idle', idle }),
      user: {
        emit: (value) => note({ kind: 'element', value, timestampMs: moment.timestampMs }),
        emitAt: (value, timestampMs) => note({ kind: 'element', value, timestampMs }),
      },
      userSide: (tag, value) => note({ kind: 'side', tagId: tag.id, value }),
      moment,
      source: undefined,
    };
  }
}

/** A call, because the compiler does not know that others set it. */
function isStopped(flow: FlowControl): boolean {
  return flow.stop;
}

async function restoreState(
  { subtasks, blobs }: Snapshot,
  keyed: KeyedStateBackend | undefined,
  operatorState: OperatorStateBackend,
): Promise<void> {
  const read = (handle: BlobHandle) => {
    const bytes = handle.kind === 'blob' ? blobs.get(handle.path) : undefined;
    assert(bytes !== undefined, 'a snapshot has its blobs');
    return Promise.resolve(bytes);
  };
  await keyed?.restore({
    handles: subtasks.flatMap(({ runs }) => runs),
    checkpointId: 1,
    reusableBase: false,
    read,
  });
  await operatorState.restore(
    subtasks.map(({ operator }, subtask) => ({
      subtask,
      parallelism: subtasks.length,
      operator,
    })),
    read,
  );
}
