/**
 * Windows over a keyed stream; Flink's `WindowOperator`. The contents of a window are keyed state
 * in its namespace; its end is an event-time or processing-time timer.
 *
 * The life of a window: the first element makes it → its trigger fires, any number of times → time
 * passes its end and the allowed lateness → everything of it is deleted. An element whose windows
 * are all over is late.
 *
 * Always holds: a window with contents has a clean-up timer (but for the global one, which never
 * ends); a window that is gone has left no row and no timer.
 */
import { assert } from '../common/assert.ts';
import type { ValueState } from '../contracts/state.ts';
import type { TimeDomain, TimeWindow, TriggerResult, WindowContext } from '../contracts/windows.ts';
import type { OperatorSpec } from '../graph/operator-spec.ts';
import { MAX_WATERMARK_MS } from '../runtime/element.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import {
  addMergingWindow,
  stateWindowIn,
  withoutWindow,
  type MergePlan,
  type MergingWindow,
} from './merging-windows.ts';
import type { RunningTrigger } from './running-trigger.ts';
import { OperatorTimers } from './timers.ts';
import { runningTrigger } from './triggers.ts';
import { maxTimestampOf, runningAssigner, type RunningAssigner } from './window-assigner.ts';
import { windowContents, type WindowContents } from './window-contents.ts';
import { elementWithoutTimestamp } from './window-errors.ts';

export type WindowSpec = Extract<OperatorSpec, { kind: 'window' }>;

/** The context of the user's window functions. One object is reused for all calls. */
interface ReusedContext extends WindowContext<unknown, unknown> {
  key: unknown;
  window: TimeWindow;
}

/** All that is there from `declare` on. */
interface Declared {
  readonly keyed: KeyedStateBackend;
  readonly timers: OperatorTimers;
  readonly trigger: RunningTrigger;
  readonly contents: WindowContents;
  /** The windows of a key that may merge; there only if the assigner merges. */
  readonly merging: ValueState<readonly MergingWindow[]> | undefined;
}

const NO_WINDOWS: readonly MergingWindow[] = [];

export class WindowOperator implements Operator {
  readonly #spec: WindowSpec;
  readonly #assigner: RunningAssigner;
  readonly #latenessMs: number;
  readonly #domain: TimeDomain;
  /** Elements need a timestamp. */
  readonly #isEventTime: boolean;
  #declared: Declared | undefined;
  #context: OperatorContext | undefined;
  #output: OperatorOutput | undefined;
  #windowContext: ReusedContext | undefined;
  /** Goes on once all timers until it have fired. */
  #watermarkMs: number | undefined;

  constructor(spec: WindowSpec) {
    this.#spec = spec;
    this.#assigner = runningAssigner(spec.assigner);
    this.#latenessMs = spec.options.allowedLatenessMs;
    this.#isEventTime = this.#assigner.isEventTime;
    this.#domain = this.#isEventTime ? 'event-time' : 'processing-time';
  }

  declare(context: OperatorContext): void {
    const { keyed, uid } = context;
    assert(keyed !== undefined, 'windows need a key');
    const timers = new OperatorTimers({
      context,
      fire: (timestampMs, domain) => {
        this.#onTimer(timestampMs, domain);
      },
    });
    const { function: fn, options, assigner } = this.#spec;
    const trigger = runningTrigger(options.trigger ?? defaultTrigger(assigner), {
      uid,
      timers,
      declare: (descriptor) => keyed.declare(descriptor),
      select: (window) => {
        keyed.setCurrentNamespace(window);
      },
      isCleanup: (window, timestampMs, domain) =>
        domain === this.#domain && timestampMs === this.#cleanupMs(window),
    });
    const contents = windowContents(fn, keyed);
    const merging = this.#assigner.merges ? keyed.declare(mergingDescriptor()) : undefined;
    this.#declared = { keyed, timers, trigger, contents, merging };
  }

  open(context: OperatorContext): void {
    const { timers } = this.#state();
    const { output } = context;
    this.#context = context;
    this.#output = output;
    this.#windowContext = {
      key: undefined,
      window: { start: 0, end: 0 },
      out: output.user,
      side: output.userSide,
      watermarkMs: () => timers.watermarkMs(),
      nowMs: () => timers.nowMs(),
    };
    timers.open();
  }

  processElement(value: unknown, timestampMs: number): void {
    const { timers, merging } = this.#state();
    let time = timestampMs;
    if (!this.#isEventTime) time = timers.nowMs();
    else if (Number.isNaN(timestampMs)) throw elementWithoutTimestamp(this.#uid());
    const windows = this.#assigner.assign(time);
    let isTaken = false;
    for (const window of windows) {
      const taken =
        merging === undefined
          ? this.#addToWindow(window, value, timestampMs)
          : this.#addToMerging(merging, window, value, timestampMs);
      if (taken) isTaken = true;
    }
    if (!isTaken) this.#late(value, timestampMs);
  }

  processWatermark(watermarkMs: number): void {
    this.#watermarkMs = watermarkMs;
    if (this.#state().timers.advance(watermarkMs)) this.#passWatermark();
  }

  resume(): boolean {
    if (!this.#state().timers.resume()) return false;
    this.#passWatermark();
    return true;
  }

  endInput(): void {
    this.#state().timers.quiesce();
  }

  close(): void {
    this.#declared?.timers.close();
  }

  #addToWindow(window: TimeWindow, value: unknown, timestampMs: number): boolean {
    if (this.#isLate(window)) return false;
    const { keyed, contents, trigger } = this.#state();
    keyed.setCurrentNamespace(window);
    const isNew = contents.add(value);
    const result = trigger.onElement(value, timestampMs, window, isNew);
    if (result !== 'continue') this.#perform(result, window, window);
    if (isNew) this.#registerCleanup(window);
    return true;
  }

  #addToMerging(
    merging: ValueState<readonly MergingWindow[]>,
    added: TimeWindow,
    value: unknown,
    timestampMs: number,
  ): boolean {
    const { keyed, contents, trigger } = this.#state();
    keyed.setCurrentNamespace(undefined);
    const windows = merging.value() ?? NO_WINDOWS;
    const plan = addMergingWindow(windows, added);
    const { window, stateWindow } = plan;
    if (this.#isLate(window)) return false;
    if (plan.windows !== windows) merging.update(plan.windows);
    if (plan.merged.length > 0) this.#merge(plan);
    keyed.setCurrentNamespace(stateWindow);
    contents.add(value);
    keyed.setCurrentNamespace(window);
    // Merging has cleared timers, so the trigger has to set them again.
    const result = trigger.onElement(value, timestampMs, window, true);
    if (result !== 'continue') this.#perform(result, window, stateWindow);
    keyed.setCurrentNamespace(window);
    this.#registerCleanup(window);
    return true;
  }

  /** Moves timers, trigger state and contents of the merged windows over to the new one. */
  #merge({ window, stateWindow, merged, mergedStates }: MergePlan): void {
    const { keyed, timers, trigger, contents } = this.#state();
    keyed.setCurrentNamespace(window);
    trigger.onMerge(window, merged);
    for (const each of merged) {
      keyed.setCurrentNamespace(each);
      trigger.clear(each);
      const cleanupMs = this.#cleanupMs(each);
      if (this.#isEventTime) timers.deleteEventTime(cleanupMs);
      else timers.deleteProcessingTime(cleanupMs);
    }
    for (const each of mergedStates) {
      keyed.setCurrentNamespace(each);
      const taken = contents.take();
      if (taken === undefined) continue;
      keyed.setCurrentNamespace(stateWindow);
      contents.merge(taken);
    }
  }

  /** A timer of the current key and namespace. */
  #onTimer(timestampMs: number, domain: TimeDomain): void {
    const { keyed, trigger, merging } = this.#state();
    const window = keyed.currentNamespace();
    assert(window !== undefined, 'a window timer has a window');
    let stateWindow: TimeWindow | undefined = window;
    if (merging !== undefined) {
      keyed.setCurrentNamespace(undefined);
      stateWindow = stateWindowIn(merging.value() ?? NO_WINDOWS, window);
      if (stateWindow === undefined) return;
      keyed.setCurrentNamespace(window);
    }
    const result =
      domain === 'event-time'
        ? trigger.onEventTime(timestampMs, window)
        : trigger.onProcessingTime(timestampMs, window);
    if (result !== 'continue') this.#perform(result, window, stateWindow);
    if (domain === this.#domain && timestampMs === this.#cleanupMs(window)) {
      this.#clear(window, stateWindow);
    }
  }

  #perform(result: TriggerResult, window: TimeWindow, stateWindow: TimeWindow): void {
    const { keyed, contents } = this.#state();
    keyed.setCurrentNamespace(stateWindow);
    if (result === 'fire' || result === 'fire-and-purge') {
      const output = this.#output;
      const context = this.#windowContext;
      assert(output !== undefined && context !== undefined, 'a window fires before it is open');
      output.moment.timestampMs = maxTimestampOf(window);
      context.key = keyed.currentKey();
      context.window = window;
      contents.emit(context);
    }
    if (result === 'purge' || result === 'fire-and-purge') contents.clear();
  }

  /** Nothing of the window stays. */
  #clear(window: TimeWindow, stateWindow: TimeWindow): void {
    const { keyed, contents, trigger, merging } = this.#state();
    keyed.setCurrentNamespace(stateWindow);
    contents.clear();
    keyed.setCurrentNamespace(window);
    trigger.clear(window);
    if (merging === undefined) return;
    keyed.setCurrentNamespace(undefined);
    const left = withoutWindow(merging.value() ?? NO_WINDOWS, window);
    if (left.length === 0) merging.clear();
    else merging.update(left);
  }

  #isLate(window: TimeWindow): boolean {
    return this.#isEventTime && this.#cleanupMs(window) <= this.#state().timers.watermarkMs();
  }

  /** The element was in no window that is still there. */
  #late(value: unknown, timestampMs: number): void {
    // An element in a gap between windows is in none, but not late.
    if (!this.#isEventTime) return;
    if (timestampMs + this.#latenessMs > this.#state().timers.watermarkMs()) return;
    const { lateTagId } = this.#spec.options;
    if (lateTagId === undefined) this.#context?.lateDropped();
    else this.#output?.side(lateTagId, value, timestampMs);
  }

  #registerCleanup(window: TimeWindow): void {
    const cleanupMs = this.#cleanupMs(window);
    if (cleanupMs === MAX_WATERMARK_MS) return;
    const { timers } = this.#state();
    if (this.#isEventTime) timers.eventTime(cleanupMs);
    else timers.processingTime(cleanupMs);
  }

  /** When a window goes. Of one that ends too late to say, never. */
  #cleanupMs(window: TimeWindow): number {
    const end = maxTimestampOf(window);
    if (!this.#isEventTime) return end;
    const cleanupMs = end + this.#latenessMs;
    return cleanupMs < MAX_WATERMARK_MS ? cleanupMs : MAX_WATERMARK_MS;
  }

  #passWatermark(): void {
    if (this.#watermarkMs === undefined) return;
    const watermarkMs = this.#watermarkMs;
    this.#watermarkMs = undefined;
    this.#output?.watermark(watermarkMs);
  }

  #state(): Declared {
    assert(this.#declared !== undefined, 'a window operator works before `declare`');
    return this.#declared;
  }

  #uid(): string {
    return this.#context?.uid ?? '';
  }
}

function defaultTrigger(assigner: WindowSpec['assigner']) {
  return assigner.kind === 'global' ? ({ kind: 'never' } as const) : { kind: assigner.time };
}

function mergingDescriptor() {
  const number = { kind: 'float64' } as const;
  const serializer = serializerOf({
    kind: 'array',
    of: {
      kind: 'object',
      fields: [
        { name: 'start', type: number },
        { name: 'end', type: number },
        { name: 'stateStart', type: number },
        { name: 'stateEnd', type: number },
      ],
    },
  });
  const name = 'merging-window-set';
  return { kind: 'value', name, ttl: undefined, serializer, defaultValue: undefined } as const;
}
