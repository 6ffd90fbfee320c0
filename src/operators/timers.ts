/**
 * The timers of one keyed operator: rows of its keyed state, fired in the order of their times. Event
 * time fires with the watermark, processing time by the clock.
 *
 * Always holds: before `fire` is called the timer is gone from state and its key (and namespace) is
 * current; nothing fires while `flow.stop` is set: the rest waits for `resume`.
 */
import { assert } from '../common/assert.ts';
import type { Cancel } from '../common/clock.ts';
import type { TimerService } from '../contracts/functions.ts';
import type { TimeDomain } from '../contracts/windows.ts';
import type { OperatorContext } from '../runtime/operator.ts';
import type { TimerTable } from '../state/keyed-state-backend.ts';

/** Timers that fire before the task looks at its mail again. */
export const TIMERS_PER_SLICE = 1_000;

export interface OperatorTimersOptions {
  readonly context: OperatorContext;
  readonly fire: (timestampMs: number, domain: TimeDomain) => void;
}

/** Make it in `declare`, call `open` in `open` and `close` in `close`. */
export class OperatorTimers implements TimerService {
  readonly #context: OperatorContext;
  readonly #fire: OperatorTimersOptions['fire'];
  readonly #eventTimers: TimerTable;
  readonly #processingTimers: TimerTable;
  #watermarkMs = -Infinity;
  /** Processing time has come up to here, and timers until then are to fire. */
  #dueMs = -Infinity;
  /** For when the clock was asked to call. */
  #scheduledMs = Infinity;
  #cancel: Cancel | undefined;
  #quiesced = false;

  constructor({ context, fire }: OperatorTimersOptions) {
    const { keyed } = context;
    assert(keyed !== undefined, 'timers need a key');
    this.#context = context;
    this.#fire = fire;
    this.#eventTimers = keyed.timers('event-time');
    this.#processingTimers = keyed.timers('processing-time');
  }

  /** Asks the clock to call for what was restored. */
  open(): void {
    this.#schedule();
  }

  eventTime(timestampMs: number): void {
    this.#eventTimers.register(timestampMs);
  }

  processingTime(timestampMs: number): void {
    this.#processingTimers.register(timestampMs);
    if (timestampMs < this.#scheduledMs) this.#schedule();
  }

  deleteEventTime(timestampMs: number): void {
    this.#eventTimers.delete(timestampMs);
  }

  deleteProcessingTime(timestampMs: number): void {
    this.#processingTimers.delete(timestampMs);
  }

  watermarkMs(): number {
    return this.#watermarkMs;
  }

  nowMs(): number {
    return this.#context.world.clock.wallMs();
  }

  /** Event time has come to `watermarkMs`. True when all that was due has fired; else call `resume`. */
  advance(watermarkMs: number): boolean {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
    return this.resume();
  }

  /** Fires what is still due. True when nothing is left. */
  resume(): boolean {
    const isDone =
      this.#fireUntil(this.#eventTimers, 'event-time', this.#watermarkMs) &&
      this.#fireUntil(this.#processingTimers, 'processing-time', this.#dueMs);
    if (isDone) this.#schedule();
    return isDone;
  }

  /** The input has ended: as in Flink, processing time stands still from now on. */
  quiesce(): void {
    this.#quiesced = true;
    this.#dueMs = -Infinity;
    this.close();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#scheduledMs = Infinity;
  }

  #fireUntil(timers: TimerTable, domain: TimeDomain, untilMs: number): boolean {
    const { flow, mail } = this.#context;
    for (let fired = 0; timers.peek() <= untilMs; fired++) {
      if (flow.stop) return false;
      if (!timers.isReady()) {
        // Restored state that is not there yet: the task is woken when it has come.
        flow.stop = true;
        return false;
      }
      if (fired === TIMERS_PER_SLICE) {
        flow.stop = true;
        // Nobody else would wake the task for the rest.
        mail(() => undefined);
        return false;
      }
      this.#fire(timers.poll(), domain);
    }
    return true;
  }

  #schedule(): void {
    if (this.#quiesced) return;
    const nextMs = this.#processingTimers.peek();
    if (nextMs >= this.#scheduledMs) return;
    this.#cancel?.();
    this.#scheduledMs = nextMs;
    const delayMs = Math.max(0, nextMs - this.nowMs());
    this.#cancel = this.#context.world.clock.after(delayMs, () => {
      this.#context.mail(() => {
        this.#due();
      });
    });
  }

  #due(): void {
    if (this.#quiesced) return;
    this.#scheduledMs = Infinity;
    this.#dueMs = this.nowMs();
    if (this.#fireUntil(this.#processingTimers, 'processing-time', this.#dueMs)) this.#schedule();
  }
}
