/**
 * Calls an async function for each element, many at a time; Flink's `AsyncWaitOperator`.
 *
 * An element: taken → waiting for one of the `capacity` places → its call runs → done → emitted as
 * soon as the order allows. Until it is emitted it is part of each snapshot: a barrier waits for no
 * call, and after a restore the calls are made again.
 *
 * Always holds: at most `capacity` elements have a place; nothing is emitted while `flow.stop` is
 * set; watermarks, statuses and the end of the input leave only after what came before them.
 */
import { assert } from '../common/assert.ts';
import type { Cancel } from '../common/clock.ts';
import type { ListState } from '../contracts/state.ts';
import type { OperatorSpec } from '../graph/operator-spec.ts';
import type { Operator, OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import { asyncCallFailed, asyncCallTimedOut } from './async-errors.ts';
import { asyncQueue, type AsyncQueue, type InFlight } from './async-queue.ts';
import { DeadLetterSender } from './dead-letters.ts';
import { inFlightSerializer, type StoredInFlight } from './in-flight-state.ts';

export type AsyncMapSpec = Extract<OperatorSpec, { kind: 'async-map' }>;

/** The longest that a timer of the machine can be set for. */
const TIMER_MS_MAX = 2_147_483_647;

/** Deadlines of calls that are done, beside twice the capacity. More: more memory, less tidying. */
const DEADLINES_KEPT = 64;

interface Deadline {
  readonly element: InFlight;
  readonly deadlineMs: number;
}

export class AsyncMapOperator implements Operator {
  readonly #spec: AsyncMapSpec;
  readonly #queue: AsyncQueue;
  #stored: ListState<StoredInFlight> | undefined;
  #context: OperatorContext | undefined;
  /** Taken, but without a place: more came at once than fit. In order. */
  #waiting: InFlight[] = [];
  /** Elements whose call was made and that are not emitted. */
  #placesTaken = 0;
  /** Of all calls that were made, oldest first; those that are done drop out at the head. */
  #deadlines: Deadline[] = [];
  #cancelTimer: Cancel | undefined;
  #watermarkMs = -Infinity;
  #ending = false;
  #closed = false;
  #mailed = false;

  /** Undefined: a failed call fails the task. */
  #letters: DeadLetterSender | undefined;
  readonly #isGuarded: boolean;

  /** @param isGuarded An element whose call fails becomes a dead letter. */
  constructor(spec: AsyncMapSpec, isGuarded = false) {
    this.#isGuarded = isGuarded;
    this.#spec = spec;
    this.#queue = asyncQueue(spec.ordered);
  }

  declare({ operatorState }: OperatorContext): void {
    const serializer = inFlightSerializer(this.#spec.element);
    this.#stored = operatorState.listState('in-flight', serializer);
  }

  open(context: OperatorContext): void {
    this.#context = context;
    if (this.#isGuarded) this.#letters = new DeadLetterSender(context);
    for (const { value, timestampMs, watermarkMs } of this.#stored?.get() ?? []) {
      // Other subtasks may have been behind, and their elements may be here now.
      const before = Math.min(watermarkMs, context.restoredWatermarkMs);
      if (before > this.#watermarkMs) {
        this.#watermarkMs = before;
        this.#queue.addControl({ kind: 'watermark', watermarkMs: before });
      }
      this.#take(value, timestampMs);
    }
    this.#stored?.clear();
  }

  processElement(value: unknown, timestampMs: number): void {
    this.#take(value, timestampMs);
    if (this.#isFull()) this.#running().flow.stop = true;
  }

  processWatermark(watermarkMs: number): void {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
    if (this.#queue.isEmpty()) this.#running().output.watermark(watermarkMs);
    else this.#queue.addControl({ kind: 'watermark', watermarkMs });
  }

  processIdle(idle: boolean): void {
    if (this.#queue.isEmpty()) this.#running().output.idle(idle);
    else this.#queue.addControl({ kind: 'status', idle });
  }

  resume(): boolean {
    this.#release();
    return !this.#isFull() && !(this.#ending && !this.#queue.isEmpty());
  }

  endInput(): void {
    this.#ending = true;
    if (!this.#queue.isEmpty()) this.#running().flow.stop = true;
  }

  snapshot(): void {
    this.#stored?.update(
      this.#queue.elements().map(({ value, timestampMs, watermarkMs }) => {
        return { value, timestampMs, watermarkMs };
      }),
    );
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #take(value: unknown, timestampMs: number): void {
    const watermarkMs = this.#watermarkMs;
    const element: InFlight = {
      value,
      timestampMs,
      watermarkMs,
      state: 'waiting',
      result: undefined,
    };
    this.#queue.add(element);
    if (this.#placesTaken < this.#spec.capacity) this.#call(element);
    else this.#waiting.push(element);
  }

  #isFull(): boolean {
    return this.#queue.size >= this.#spec.capacity;
  }

  #call(element: InFlight): void {
    element.state = 'running';
    this.#placesTaken++;
    this.#watch(element);
    let promise: Promise<unknown>;
    try {
      promise = this.#spec.asyncMap(element.value);
    } catch (error) {
      if (this.#letters === undefined) throw asyncCallFailed(this.#running().uid, error);
      this.#bury(element, error);
      return;
    }
    promise.then(
      (result) => {
        // A call that has taken too long may be a dead letter by now.
        if (this.#closed || element.state === 'done') return;
        element.state = 'done';
        element.result = result;
        this.#queue.done(element);
        this.#mail();
      },
      (error: unknown) => {
        if (this.#letters === undefined) this.#fail(asyncCallFailed(this.#running().uid, error));
        else this.#bury(element, error);
      },
    );
  }

  /** Its letter leaves when the order allows, as its result would have. */
  #bury(element: InFlight, error: unknown): void {
    if (this.#closed || element.state === 'done') return;
    element.state = 'done';
    element.failure = { error };
    this.#queue.done(element);
    this.#mail();
  }

  /** Many calls may end at once: one mail for all. */
  #mail(): void {
    if (this.#mailed) return;
    this.#mailed = true;
    this.#running().mail(() => {
      this.#mailed = false;
      if (!this.#closed) this.#release();
    });
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#running().mail(() => {
      if (!this.#closed) throw error;
    });
  }

  /** Lets out what may leave, and makes the calls for which there is a place then. */
  #release(): void {
    const { flow, output } = this.#running();
    while (!flow.stop) {
      const released = this.#queue.next();
      if (released === undefined) break;
      switch (released.kind) {
        case 'element':
          this.#placesTaken--;
          this.#emit(released.element, output);
          break;
        case 'watermark':
          output.watermark(released.watermarkMs);
          break;
        case 'status':
          output.idle(released.idle);
      }
    }
    const free = Math.min(this.#spec.capacity - this.#placesTaken, this.#waiting.length);
    if (free <= 0) return;
    for (const element of this.#waiting.splice(0, free)) this.#call(element);
  }

  #emit({ value, timestampMs, result, failure }: InFlight, output: OperatorOutput): void {
    if (failure === undefined) output.emit(result, timestampMs);
    else this.#letters?.send({ value, timestampMs, position: undefined }, failure.error);
  }

  /** All calls have the same time, so that one timer, for the oldest, is enough. */
  #watch(element: InFlight): void {
    const { clock } = this.#running().world;
    const deadlineMs = clock.monotonicMs() + this.#spec.timeoutMs;
    this.#deadlines.push({ element, deadlineMs });
    // At most `capacity` are under way: most of a long list is done.
    if (this.#deadlines.length > 2 * this.#spec.capacity + DEADLINES_KEPT) {
      this.#deadlines = withoutDone(this.#deadlines);
    }
    if (this.#cancelTimer === undefined) this.#setTimer();
  }

  #setTimer(): void {
    this.#deadlines = withoutDone(this.#deadlines);
    const [oldest] = this.#deadlines;
    if (oldest === undefined || this.#closed) return;
    const { clock } = this.#running().world;
    const leftMs = Math.max(0, oldest.deadlineMs - clock.monotonicMs());
    this.#cancelTimer = clock.after(Math.min(leftMs, TIMER_MS_MAX), () => {
      this.#cancelTimer = undefined;
      this.#checkDeadlines();
    });
  }

  #checkDeadlines(): void {
    if (this.#closed) return;
    const { world, uid } = this.#running();
    const nowMs = world.clock.monotonicMs();
    const late = this.#deadlines.filter(
      ({ element, deadlineMs }) => deadlineMs <= nowMs && element.state === 'running',
    );
    const timedOut = () => asyncCallTimedOut(uid, this.#spec.timeoutMs);
    if (late.length > 0 && this.#letters === undefined) this.#fail(timedOut());
    else {
      for (const { element } of late) this.#bury(element, timedOut());
      this.#setTimer();
    }
  }

  #running(): OperatorContext {
    assert(this.#context !== undefined, 'nothing is processed before open');
    return this.#context;
  }
}

function withoutDone(deadlines: readonly Deadline[]): Deadline[] {
  return deadlines.filter(({ element }) => element.state !== 'done');
}
