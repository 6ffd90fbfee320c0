/**
 * One subtask of a vertex: its gate, its chain of operators, their state and its mailbox. See
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
import { BarrierAligner, type AlignmentAction } from './barrier-aligner.ts';
import { BlockedTime } from './blocked-time.ts';
import { Chain } from './chain.ts';
import { isBatch, type RecordBatch, type Wake } from './channel.ts';
import { checkedValue } from './check-mode.ts';
import type { Control } from './element.ts';
import { channelBroken, overtaken, userCodeError } from './errors.ts';
import type { TaskGateway, TaskId } from './gateways.ts';
import { InputGate, type GateChannel } from './input-gate.ts';
import type { FlowControl, OperatorEvent } from './operator.ts';
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
import { WatermarkValve } from './watermark-valve.ts';

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

/** A batch of which a part has been taken. */
interface OpenBatch {
  readonly batch: RecordBatch;
  readonly channel: number;
  next: number;
}

export class Task implements TaskGateway {
  readonly id: TaskId;
  readonly #options: TaskOptions;
  readonly #flow: FlowControl = { stop: false };
  readonly #gate: InputGate;
  readonly #aligner: BarrierAligner;
  #state: TaskState = { kind: 'created' };
  #mailbox: (() => void)[] = [];
  #operators: readonly TaskOperator[] = [];
  #backends: readonly KeyedStateBackend[] = [];
  #chain: Chain | undefined;
  #snapshots: TaskSnapshots | undefined;
  #valve: WatermarkValve;
  #open: OpenBatch | undefined;
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
  #recordsIn = 0;
  #lateDropped = 0;
  /** For how long its steps took, by whoever steps it. Milliseconds. */
  busyMs = 0;
  readonly #outputBlocked: BlockedTime;

  constructor(options: TaskOptions) {
    this.id = options.id;
    this.#options = options;
    this.#outputBlocked = new BlockedTime(options.world.clock);
    const channels = channelsOf(options);
    this.#gate = new InputGate({ channels, random: options.random });
    this.#aligner = new BarrierAligner(channels.length, options.settings.checkpointingMode);
    this.#valve = new WatermarkValve(channels.length);
  }

  get state(): TaskState {
    return this.#state;
  }

  metrics(): TaskMetrics {
    return {
      recordsIn: this.#recordsIn,
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
      this.#perform(this.#aligner.aborted(checkpointId));
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
    this.#gate.onReadable(wake);
    for (const { writers } of this.#options.outputs) {
      for (const writer of writers) writer.onWritable(wake);
    }
    const watermarks = this.#operators.map(({ restoredWatermarkMs }) => restoredWatermarkMs);
    this.#valve = new WatermarkValve(this.#gate.channels.length, watermarks[0]);
    chain.restoreWatermarks(watermarks);
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
    if (this.#open !== undefined) return this.#continueBatch(this.#open);
    if (this.#state.kind === 'ending') return this.#endNext(this.#state.next);
    if (this.#state.kind === 'running' && this.#gate.channels.length === 0) return this.#poll();
    return this.#takeElement();
  }

  #takeElement(): boolean {
    const channel = this.#gate.next();
    if (channel < 0) {
      const broken = this.#gate.broken();
      if (broken >= 0) {
        const { name = '' } = this.#gate.channels[broken] ?? {};
        throw channelBroken(name, this.#gate.brokenBy(broken));
      }
      return false;
    }
    const element = this.#gate.peek(channel);
    if (!isBatch(element)) {
      this.#gate.release(channel);
      this.#control(channel, element);
      return true;
    }
    if (this.#isLoading && !this.#isReady(element)) return false;
    this.#recordsIn += element.size;
    for (const keyed of this.#backends) keyed.beginBatch();
    this.#operators[0]?.keyed?.prefetch(element.hashes, 0, element.size);
    return this.#continueBatch({ batch: element, channel, next: 0 });
  }

  /** Whether the restored state of a batch's keys is there, be it not loaded yet. */
  #isReady(batch: RecordBatch): boolean {
    const head = this.#operators[0]?.keyed;
    return head === undefined || head.ready(batch.hashes, 0, batch.size);
  }

  #continueBatch(open: OpenBatch): boolean {
    const { batch, channel } = open;
    const input = this.#gate.channels[channel]?.input ?? 0;
    const next = this.#runningChain().runBatch(input, batch, open.next);
    if (next < batch.size) {
      open.next = next;
      this.#open = open;
    } else {
      this.#open = undefined;
      this.#gate.release(channel);
    }
    return true;
  }

  #control(channel: number, control: Control): void {
    switch (control.kind) {
      case 'watermark': {
        const watermarkMs = this.#valve.watermark(channel, control.watermarkMs);
        if (watermarkMs !== undefined) this.#runningChain().watermark(watermarkMs);
        return;
      }
      case 'status': {
        const watermarkMs = this.#valve.status(channel, control.idle);
        if (watermarkMs !== undefined) this.#runningChain().watermark(watermarkMs);
        this.#runningChain().idle(this.#valve.isIdle());
        return;
      }
      case 'barrier': {
        const nowMs = this.#options.world.clock.monotonicMs();
        this.#perform(this.#aligner.barrier(channel, control.barrier, nowMs));
        return;
      }
      case 'end-of-data':
        if (this.#gate.end(channel)) this.#transition({ kind: 'input-ended' });
    }
  }

  #perform(actions: readonly AlignmentAction[]): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'block':
          this.#gate.block(action.channel);
          break;
        case 'unblock':
          this.#gate.unblockAll();
          break;
        case 'complete':
          this.#snapshot(action.barrier, action.alignmentMs);
          break;
        case 'give-up':
          this.#options.jobMaster.decline(
            this.id,
            action.checkpointId,
            overtaken(action.checkpointId),
          );
      }
    }
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
    return this.#gate.channels.length === 0 && !this.#drained;
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
    this.#gate.close();
    for (const { writers } of this.#options.outputs) for (const writer of writers) writer.close();
    this.#open = undefined;
    return failure;
  }

  #runningChain(): Chain {
    assert(this.#chain !== undefined, 'a task has no chain before it is open');
    return this.#chain;
  }
}

function channelsOf({ vertex, inputs }: TaskOptions): GateChannel[] {
  return vertex.inputs.flatMap((edge) => {
    const found = inputs.find(({ edgeId }) => edgeId === edge.id);
    assert(found !== undefined, `no channels for the edge ${edge.id}`);
    return found.readers.map((reader, from) => ({
      input: edge.input,
      reader,
      name: `${edge.id} from ${from}`,
    }));
  });
}
