/**
 * One subtask of a vertex: its input, its chain of operators, their state and its mailbox. See
 * `task-state.ts` for its life.
 *
 * Always holds: everything happens in `step` or in mail that `step` runs, one thing at a time; so
 * records, timers, snapshots and events of one task never overlap. A task that is blocked takes no
 * input but serves its mail. Nothing here waits: what is not done yet is gone on with in a later step.
 */
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import { sumOfRestores } from '../common/restore-progress.ts';
import { BlockedTime } from './blocked-time.ts';
import { Chain } from './chain.ts';
import type { Wake } from './channel.ts';
import { checkedValue } from './check-mode.ts';
import { overtaken, userCodeError } from './errors.ts';
import type { TaskGateway, TaskId } from './gateways.ts';
import type { FlowControl, OperatorEvent } from './operator.ts';
import { TaskInput, channelsOf } from './task-input.ts';
import {
  closeOperators,
  makeOperators,
  openOperators,
  restoreOperators,
  type TaskOperator,
} from './task-operators.ts';
import { readBy, type TaskMetrics } from './task-metrics.ts';
import type { TaskOptions } from './task-options.ts';
import { TaskSnapshots } from './task-snapshots.ts';
import { isTerminal, nextTaskState, type TaskEvent, type TaskState } from './task-state.ts';

/** Elements that a source is asked for at a time. */
const SOURCE_ELEMENTS_PER_POLL = 256;
/** How long a step encodes for snapshots. More: they are done sooner, records wait longer. */
const SNAPSHOT_SLICE_MS = 0.5;

/** The same for loading restored state: beside records, and without any. */
const LOAD_SLICE_MS = 0.5;
const LOAD_IDLE_SLICE_MS = 2;

/**
 * Steps between two such slices while there is input: about half of the time goes to the snapshot,
 * which keeps it short (each row that is touched before its turn costs extra) and records moving.
 */
const STEPS_PER_SLICE = 8;

/** `idle`: nothing to do before the next wake; `done`: the task has ended, whichever way. */
export type StepResult = 'progress' | 'idle' | 'done';

export class Task implements TaskGateway {
  readonly id: TaskId;
  readonly #options: TaskOptions;
  readonly #flow: FlowControl = { stop: false };
  readonly #input: TaskInput;
  #state: TaskState = { kind: 'created' };
  #mailbox: (() => void)[] = [];
  #operators: readonly TaskOperator[] = [];
  #backends: readonly KeyedStateBackend[] = [];
  #chain: Chain | undefined;
  #snapshots: TaskSnapshots | undefined;
  #sourceIsWaiting = false;
  #wake: Wake | undefined;
  #starting: Promise<void> | undefined;
  /** What the next step does first: opening has come to an end. */
  #begin: (() => void) | undefined;
  #closing: Promise<unknown> | undefined;
  /** Restored state is still being loaded. */
  #isLoading = false;
  #stepsSinceSlice = 0;
  /** The savepoint with which the job stops: behind it nothing happens, unless it fails. */
  #stop: number | undefined;
  /** The input was ended on request, and may go on after a restore. */
  #drained = false;
  #lateDropped = 0;
  /** For how long its steps took, by whoever steps it. Milliseconds. */
  busyMs = 0;
  readonly #outputBlocked: BlockedTime;

  constructor(options: TaskOptions) {
    this.id = options.id;
    this.#options = options;
    this.#outputBlocked = new BlockedTime(options.world.clock);
    this.#input = new TaskInput({
      channels: channelsOf(options),
      random: options.random,
      mode: options.settings.checkpointingMode,
      clock: options.world.clock,
      snapshot: (barrier, alignmentMs) => {
        this.#snapshot(barrier, alignmentMs);
      },
      giveUp: (checkpointId) => {
        options.jobMaster.decline(this.id, checkpointId, overtaken(checkpointId));
      },
      ended: () => {
        this.#transition({ kind: 'input-ended' });
      },
    });
  }

  get state(): TaskState {
    return this.#state;
  }

  metrics(): TaskMetrics {
    return {
      recordsIn: this.#input.recordsIn,
      ...readBy(this.#operators[0]),
      recordsOut: this.#chain?.recordsWritten() ?? 0,
      lateDropped: this.#lateDropped,
      watermarkMs: this.#chain?.watermarkMs(0) ?? -Infinity,
      busyMs: this.busyMs,
      backPressuredMs: this.#outputBlocked.totalMs(),
      restore: sumOfRestores(this.#backends.map((keyed) => keyed.restoreProgress())),
    };
  }

  /** Called whenever `step` may have something to do again. */
  onWake(wake: Wake): void {
    this.#wake = wake;
  }

  /** Restores and opens; `JobMasterGateway.taskRunning` tells when that is done. */
  start(): void {
    if (isTerminal(this.#state)) return;
    this.#transition({ kind: 'start' });
    const done = (next: () => void) => {
      this.#begin = next;
      this.#wake?.();
    };
    this.#starting = this.#initialize().then(
      () => {
        done(() => {
          this.#run();
        });
      },
      (error: unknown) => {
        done(() => {
          this.#fail(error);
        });
      },
    );
  }

  /**
   * Does a bounded piece of work: all mail, then up to `batches` batches of records (or controls, or
   * turns of a source), then a slice of running snapshots.
   */
  step(batches: number): StepResult {
    if (isTerminal(this.#state)) return 'done';
    let progress = false;
    try {
      if (this.#state.kind === 'restoring') progress = this.#beginRunning();
      if (this.#state.kind === 'created' || this.#state.kind === 'restoring') return 'idle';
      progress = this.#runMail() || progress;
      if (this.#unblock()) {
        for (let i = 0; i < batches && this.#advance(); i++) {
          progress = true;
          if (this.#flow.stop) break;
        }
      }
      if (this.#runSlice(progress)) progress = true;
    } catch (error) {
      this.#fail(userCodeError(this.#chain?.currentUid() ?? '', error));
    }
    if (isTerminal(this.#state)) return 'done';
    if (progress || this.#mailbox.length > 0) return 'progress';
    this.flush();
    return 'idle';
  }

  /** What is done beside records; false if there was nothing to do. */
  #runSlice(isBusy: boolean): boolean {
    if (isBusy && ++this.#stepsSinceSlice < STEPS_PER_SLICE) return false;
    this.#stepsSinceSlice = 0;
    // No snapshot gets on before all that was restored is verified.
    if (this.#isLoading) return this.#load(isBusy ? LOAD_SLICE_MS : LOAD_IDLE_SLICE_MS);
    return this.#snapshots?.drain(SNAPSHOT_SLICE_MS) === true;
  }

  /** Goes on with a restore; false if that is not possible before more bytes are there. */
  #load(budgetMs: number): boolean {
    const progress = this.#backends.map((keyed) => keyed.loadSlice(budgetMs));
    this.#isLoading = progress.some((one) => one !== 'loaded');
    return !this.#isLoading || progress.includes('loading');
  }

  #beginRunning(): boolean {
    const begin = this.#begin;
    this.#begin = undefined;
    begin?.();
    return begin !== undefined;
  }

  /** Hands over what is written but not yet sent. Called before the thread waits or yields. */
  flush(): void {
    if (!isTerminal(this.#state)) this.#chain?.flush();
  }

  triggerCheckpoint(barrier: CheckpointBarrier): void {
    this.#mail(() => {
      this.#snapshot(barrier, 0);
    });
  }

  notifyCheckpointComplete(checkpointId: number): void {
    this.#mail(() => this.#snapshots?.confirmed(checkpointId));
  }

  notifyCheckpointAborted(checkpointId: number): void {
    this.#mail(() => {
      this.#input.aborted(checkpointId);
      this.#snapshots?.aborted(checkpointId);
      if (this.#stop === checkpointId) this.#goOn();
    });
  }

  operatorEvent(uid: string, event: OperatorEvent): void {
    this.#mail(() => {
      const position = this.#operators.findIndex(({ node }) => node.uid === uid);
      this.#chain?.enter(position);
      this.#operators[position]?.operator.operatorEvent?.(event);
      this.#sourceIsWaiting = false;
    });
  }

  drain(): void {
    this.#mail(() => {
      // What has ended by itself has nothing to drain.
      if (this.#state.kind !== 'running') return;
      this.#drained = true;
      this.#transition({ kind: 'input-ended' });
    });
  }

  finish(): void {
    this.#mail(() => {
      const { jobMaster } = this.#options;
      this.#transition({ kind: 'finish' });
      void this.#close().then((failure) => {
        if (failure === undefined) jobMaster.taskFinished(this.id);
        else jobMaster.taskFailed(this.id, failure);
      });
    });
  }

  /** Also after a failure: resolves when nothing is held any more. Waits for `open`, if that is on its way. */
  async cancel(): Promise<void> {
    if (!isTerminal(this.#state)) this.#transition({ kind: 'cancel' });
    await this.#close();
  }

  async #initialize(): Promise<void> {
    const options = this.#options;
    this.#operators = makeOperators(options, {
      flow: this.#flow,
      mail: (work) => {
        this.#mail(work);
      },
      lateDropped: () => {
        this.#lateDropped++;
      },
      position: () => this.#operators[0]?.operator.position?.(),
    });
    const operators = this.#operators;
    this.#backends = operators.flatMap(({ keyed }) => keyed ?? []);
    await restoreOperators(options, operators, () => this.#wake?.());
    this.#isLoading = this.#backends.some((keyed) => !keyed.verified);
    const { checkMode } = options.settings;
    const chain = new Chain({
      vertex: options.vertex,
      maxParallelism: options.maxParallelism,
      operators: operators.map(({ operator }) => operator),
      backends: operators.map(({ keyed }) => keyed),
      outputs: options.outputs,
      flow: this.#flow,
      check: checkMode ? checkedValue : undefined,
      print: options.printChain,
    });
    await openOperators(operators, chain.outputs);
    this.#chain = chain;
  }

  /** All is open: the first element may come. */
  #run(): void {
    const chain = this.#chain;
    assert(chain !== undefined, 'a task runs before it is open');
    const { id, vertex, world, jobMaster, snapshotTarget } = this.#options;
    this.#snapshots = new TaskSnapshots({
      id,
      parallelism: vertex.parallelism,
      operators: this.#operators.map(({ node, operator, keyed, operatorState }, position) => ({
        uid: node.uid,
        operator,
        keyed,
        operatorState,
        watermarkMs: () => chain.watermarkMs(position),
        enter: () => chain.enter(position),
      })),
      clock: world.clock,
      jobMaster,
      target: snapshotTarget,
      mail: (work) => {
        this.#mail(work);
      },
      fail: (uid, error) => {
        this.#fail(userCodeError(uid, error));
      },
    });
    this.#transition({ kind: 'restored' });
    const wake = () => this.#wake?.();
    for (const { writers } of this.#options.outputs) {
      for (const writer of writers) writer.onWritable(wake);
    }
    const watermarks = this.#operators.map(({ restoredWatermarkMs }) => restoredWatermarkMs);
    chain.restoreWatermarks(watermarks);
    this.#input.begin(
      {
        chain,
        backends: this.#backends,
        head: this.#operators[0]?.keyed,
        restoredWatermarkMs: watermarks[0],
      },
      wake,
    );
    jobMaster.taskRunning(id);
  }

  #mail(work: () => void): void {
    if (isTerminal(this.#state)) return;
    this.#mailbox.push(work);
    this.#wake?.();
  }

  /** Runs what is there now; what comes meanwhile waits for the next step. */
  #runMail(): boolean {
    if (this.#mailbox.length === 0) return false;
    const mailbox = this.#mailbox;
    this.#mailbox = [];
    for (const work of mailbox) {
      if (isTerminal(this.#state)) break;
      work();
    }
    return true;
  }

  /** Whether input may be taken: nothing is interrupted and all channels behind have room. */
  #unblock(): boolean {
    const { kind } = this.#state;
    if (this.#stop !== undefined) return false;
    if (kind !== 'running' && kind !== 'ending') return kind === 'ended-input';
    if (!this.#flow.stop) return true;
    const chain = this.#runningChain();
    if (!chain.isWritable()) return this.#blocked('output');
    this.#flow.stop = false;
    if (!chain.resume()) return this.#blocked('operator');
    if (!chain.isWritable()) return this.#blocked('output');
    if (this.#state.blockedOn !== 'nothing') this.#transition({ kind: 'blocked', on: 'nothing' });
    return true;
  }

  #blocked(on: 'output' | 'operator' | 'stop'): false {
    this.#flow.stop = true;
    const state = this.#state;
    if ((state.kind === 'running' || state.kind === 'ending') && state.blockedOn !== on) {
      this.#transition({ kind: 'blocked', on });
    }
    return false;
  }

  /** Takes one thing on; false if there is nothing. */
  #advance(): boolean {
    if (!this.#input.isOpen) {
      if (this.#state.kind === 'ending') return this.#endNext(this.#state.next);
      if (this.#state.kind === 'running' && this.#input.channels === 0) return this.#poll();
    }
    return this.#input.take(this.#isLoading);
  }

  /** The barrier goes on first, so that what is behind can start with it. */
  #snapshot(barrier: CheckpointBarrier, alignmentMs: number): void {
    const chain = this.#runningChain();
    chain.control({ kind: 'barrier', barrier });
    this.#snapshots?.begin(barrier, alignmentMs, this.#hasFinished(barrier));
    if (barrier.stop !== 'suspend') return;
    this.#stop = barrier.checkpointId;
    // Operators let nothing out either, be it a result or a timer: they look at `flow.stop`.
    this.#blocked('stop');
  }

  /** Whether a task that restores this has nothing more to do. */
  #hasFinished({ stop }: CheckpointBarrier): boolean {
    if (this.#state.kind !== 'ended-input') return false;
    if (stop !== 'drain') return true;
    // Sources that had ended before are not read again; what is behind a drained one is to go on.
    return this.#input.channels === 0 && !this.#drained;
  }

  /** The job does not stop. */
  #goOn(): void {
    this.#stop = undefined;
    const { kind } = this.#state;
    // What was left is gone on with before anything new: `flow.stop` stays until then.
    if (kind === 'running' || kind === 'ending') {
      this.#transition({ kind: 'blocked', on: 'nothing' });
    }
  }

  #poll(): boolean {
    if (this.#sourceIsWaiting) return false;
    const source = this.#operators[0]?.operator;
    assert(source?.poll !== undefined, `'${this.id.vertex}' has no inputs and is no source`);
    this.#runningChain().enter(0);
    switch (source.poll(SOURCE_ELEMENTS_PER_POLL)) {
      case 'more':
        return true;
      case 'end':
        this.#transition({ kind: 'input-ended' });
        return true;
      case 'later':
        this.#awaitSource(source.available?.());
        return false;
    }
  }

  #awaitSource(available: Promise<void> | undefined): void {
    assert(available !== undefined, 'a source that says `later` tells when');
    this.#sourceIsWaiting = true;
    available.then(
      () => {
        this.#mail(() => {
          this.#sourceIsWaiting = false;
        });
      },
      (error: unknown) => {
        this.#mail(() => {
          this.#fail(userCodeError(this.#operators[0]?.node.uid ?? '', error));
        });
      },
    );
  }

  /** Lets the operator at `position` flush; behind the last one comes the end of data. */
  #endNext(position: number): boolean {
    const chain = this.#runningChain();
    const one = this.#operators[position];
    if (one !== undefined) {
      chain.enter(position);
      this.#transition({ kind: 'operator-ended' });
      if (!one.wasFinished) one.operator.endInput?.();
      return true;
    }
    chain.control({ kind: 'end-of-data' });
    this.#transition({ kind: 'all-ended' });
    this.#options.jobMaster.taskEndedInput(this.id);
    return true;
  }

  #fail(error: unknown): void {
    if (isTerminal(this.#state)) return;
    this.#transition({ kind: 'fail', error });
    void this.#close();
    this.#options.jobMaster.taskFailed(this.id, error);
  }

  #transition(event: TaskEvent): void {
    const next = nextTaskState(this.#state, event);
    assert(next !== undefined, `a task that is ${this.#state.kind} gets ${event.kind}`);
    this.#state = next;
    this.#outputBlocked.set('blockedOn' in next && next.blockedOn === 'output');
    if (isTerminal(next)) {
      // Ends the loop over records that may be under way.
      this.#flow.stop = true;
      this.#mailbox = [];
      // The thread that runs the task lets go of it.
      this.#wake?.();
    }
  }

  /** Frees everything, once. Resolves with the first failure of an operator's `close`. */
  #close(): Promise<unknown> {
    this.#closing ??= this.#free();
    return this.#closing;
  }

  async #free(): Promise<unknown> {
    // First let the step that may be under way come to its end.
    await this.#starting;
    this.#snapshots?.close();
    const failure = await closeOperators(this.#operators);
    this.#input.close();
    for (const { writers } of this.#options.outputs) for (const writer of writers) writer.close();
    return failure;
  }

  #runningChain(): Chain {
    assert(this.#chain !== undefined, 'a task has no chain before it is open');
    return this.#chain;
  }
}
