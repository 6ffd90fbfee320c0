/**
 * What comes into a task over its channels: records for the chain, a watermark of all channels, barriers that
 * are aligned, and the end.
 *
 * Always holds: one thing is taken at a time, and a batch to its end before anything else.
 */
import type { Clock } from '../common/clock.ts';
import type { Random } from '../common/random.ts';
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import { BarrierAligner, type AlignmentAction, type CheckpointingMode } from './barrier-aligner.ts';
import type { Chain } from './chain.ts';
import { isBatch, type RecordBatch, type Wake } from './channel.ts';
import type { Control } from './element.ts';
import { channelBroken } from './errors.ts';
import { InputGate, type GateChannel } from './input-gate.ts';
import type { TaskOptions } from './task-options.ts';
import { WatermarkValve } from './watermark-valve.ts';

export interface TaskInputOptions {
  readonly channels: readonly GateChannel[];
  /** Draws the order of the channels. `undefined`: round robin. */
  readonly random: Random | undefined;
  readonly mode: CheckpointingMode;
  readonly clock: Clock;
  /** All channels have the barrier. */
  readonly snapshot: (barrier: CheckpointBarrier, alignmentMs: number) => void;
  /** The barrier will never be on all channels: a newer one came first. */
  readonly giveUp: (checkpointId: number) => void;
  /** The last channel has ended. */
  readonly ended: () => void;
}

/** Where it goes. */
export interface InputTarget {
  readonly chain: Chain;
  /** State of all operators of the chain. */
  readonly backends: readonly KeyedStateBackend[];
  /** State of the first one, which the keys of the records are those of. */
  readonly head: KeyedStateBackend | undefined;
  /** Nothing below it comes out again. */
  readonly restoredWatermarkMs: number | undefined;
}

/** A batch of which a part has been taken. */
interface OpenBatch {
  readonly batch: RecordBatch;
  readonly channel: number;
  next: number;
}

export class TaskInput {
  readonly #options: TaskInputOptions;
  readonly #gate: InputGate;
  readonly #aligner: BarrierAligner;
  #valve: WatermarkValve;
  #target: InputTarget | undefined;
  #open: OpenBatch | undefined;
  #recordsIn = 0;

  constructor(options: TaskInputOptions) {
    const { channels, random, mode } = options;
    this.#options = options;
    this.#gate = new InputGate({ channels, random });
    this.#aligner = new BarrierAligner(channels.length, mode);
    this.#valve = new WatermarkValve(channels.length);
  }

  /** None: the task is a source. */
  get channels(): number {
    return this.#gate.channels.length;
  }

  get recordsIn(): number {
    return this.#recordsIn;
  }

  /** A batch has been taken in part. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** From now on elements may be taken; `wake` is called when there are new ones. */
  begin(target: InputTarget, wake: Wake): void {
    this.#target = target;
    this.#valve = new WatermarkValve(this.channels, target.restoredWatermarkMs);
    this.#gate.onReadable(wake);
  }

  /**
   * Takes the rest of an open batch, or the next element; false if there is none. While state is loading, none whose
   * keys are not there yet.
   *
   * @throws {EngineError} `RUN-…` if a channel's other side is gone.
   */
  take(isLoading: boolean): boolean {
    if (this.#open !== undefined) return this.#goOn(this.#open);
    const channel = this.#gate.next();
    if (channel < 0) return this.#nothing();
    const element = this.#gate.peek(channel);
    if (!isBatch(element)) {
      this.#gate.release(channel);
      this.#control(channel, element);
      return true;
    }
    const { backends, head } = this.#running();
    const { hashes, size } = element;
    if (isLoading && head !== undefined && !head.ready(hashes, 0, size)) return false;
    this.#recordsIn += size;
    for (const keyed of backends) keyed.beginBatch();
    head?.prefetch(hashes, 0, size);
    return this.#goOn({ batch: element, channel, next: 0 });
  }

  /** The JobMaster has given the checkpoint up. */
  aborted(checkpointId: number): void {
    this.#perform(this.#aligner.aborted(checkpointId));
  }

  close(): void {
    this.#gate.close();
    this.#open = undefined;
  }

  #nothing(): false {
    const broken = this.#gate.broken();
    if (broken < 0) return false;
    const { name = '' } = this.#gate.channels[broken] ?? {};
    throw channelBroken(name, this.#gate.brokenBy(broken));
  }

  #goOn(open: OpenBatch): true {
    const { batch, channel } = open;
    const input = this.#gate.channels[channel]?.input ?? 0;
    const next = this.#running().chain.runBatch(input, batch, open.next);
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
    const { chain } = this.#running();
    switch (control.kind) {
      case 'watermark': {
        const watermarkMs = this.#valve.watermark(channel, control.watermarkMs);
        if (watermarkMs !== undefined) chain.watermark(watermarkMs);
        return;
      }
      case 'status': {
        const watermarkMs = this.#valve.status(channel, control.idle);
        if (watermarkMs !== undefined) chain.watermark(watermarkMs);
        chain.idle(this.#valve.isIdle());
        return;
      }
      case 'barrier': {
        const nowMs = this.#options.clock.monotonicMs();
        this.#perform(this.#aligner.barrier(channel, control.barrier, nowMs));
        return;
      }
      case 'end-of-data':
        if (this.#gate.end(channel)) this.#options.ended();
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
          this.#options.snapshot(action.barrier, action.alignmentMs);
          break;
        case 'give-up':
          this.#options.giveUp(action.checkpointId);
      }
    }
  }

  #running(): InputTarget {
    assert(this.#target !== undefined, 'nothing is taken before the task is open');
    return this.#target;
  }
}

/** The channels into a task, in the order of its vertex's inputs. */
export function channelsOf({ vertex, inputs }: TaskOptions): GateChannel[] {
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
