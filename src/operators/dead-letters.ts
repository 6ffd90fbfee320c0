/**
 * Operators whose failures are dead letters (`onError('dead-letter')`): all or nothing for each record.
 * The function's changes of state and its timers are taken back if it throws, and what it emits is
 * held until it has returned: a dead letter has left no other trace, and may be replayed as if it
 * came for the first time.
 *
 * It stands in front of the user's function, so that chains without it are as they were. The letter
 * itself is a record on a side output: it is in the same checkpoint as everything else.
 */
import { assert, AssertionError } from '../common/assert.ts';
import {
  DEAD_LETTER_VERSION,
  DEAD_LETTERS_TAG,
  type DeadLetter,
} from '../contracts/dead-letter.ts';
import { EngineError } from '../common/errors.ts';
import type { TimerService } from '../contracts/functions.ts';
import type { Output, OutputTag } from '../contracts/output.ts';
import type { StateDescriptors, StatesOf } from '../contracts/state.ts';
import type { OperatorContext, OperatorOutput, SourcePosition } from '../runtime/operator.ts';
import { toTypedJson, wellFormed } from '../serde/typed-json.ts';
import { guardedStates, UndoLog } from './guarded-state.ts';

/** Of a record's text: what a message of Kafka holds by default. Longer ones are cut. */
const RECORD_CHARACTERS_MAX = 1_000_000;
const MESSAGE_CHARACTERS_MAX = 4_000;
const STACK_CHARACTERS_MAX = 8_000;

/** The record on which a function threw. */
export interface FailedRecord {
  readonly value: unknown;
  /** `NaN`: it has none. */
  readonly timestampMs: number;
  /** Undefined: the operator has no key. */
  readonly key?: unknown;
  /** Undefined if the record was not read just now. */
  readonly position: SourcePosition | undefined;
}

/** Writes letters and sends them. */
export class DeadLetterSender {
  readonly #context: OperatorContext;
  #sequence = 0;

  constructor(context: OperatorContext) {
    this.#context = context;
  }

  /**
   * Sends the record away. Throws the error again if it does not come from the record: a bug of the engine,
   * or something outside that does not answer.
   */
  send(record: FailedRecord, error: unknown): void {
    if (!isOfTheRecord(error)) throw error;
    const letter = this.#letter(record, error);
    this.#context.output.side(DEAD_LETTERS_TAG, letter, record.timestampMs);
  }

  #letter({ value, timestampMs, key, position }: FailedRecord, error: unknown): DeadLetter {
    const { uid, jobName, subtask, attempt, writerId, world } = this.#context;
    const { source, ...place } = position ?? { source: null };
    const stored = toTypedJson(value, RECORD_CHARACTERS_MAX);
    return {
      version: DEAD_LETTER_VERSION,
      id: `${writerId}-${uid}-${this.#sequence++}`,
      job: jobName,
      operator: uid,
      subtask,
      attempt,
      failedAt: iso(world.clock.wallMs()),
      ...errorFields(error),
      eventTime: Number.isNaN(timestampMs) ? null : iso(timestampMs),
      key: key === undefined ? null : toTypedJson(key, RECORD_CHARACTERS_MAX).text,
      source,
      position: Object.keys(place).length === 0 ? null : JSON.stringify(place),
      record: stored.text,
      recordExact: stored.exact,
    };
  }
}

function isOfTheRecord(error: unknown): boolean {
  if (error instanceof AssertionError) return false;
  return !(error instanceof EngineError) || error.kind === 'user-code' || error.kind === 'invalid';
}

type ErrorFields = Pick<DeadLetter, 'errorName' | 'errorCode' | 'errorMessage' | 'errorStack'>;

function errorFields(error: unknown): ErrorFields {
  if (!(error instanceof Error)) {
    const { text } = toTypedJson(error, MESSAGE_CHARACTERS_MAX);
    return { errorName: typeof error, errorCode: null, errorMessage: text, errorStack: null };
  }
  const code: unknown = Reflect.get(error, 'code');
  return {
    errorName: error.name,
    errorCode: typeof code === 'string' || typeof code === 'number' ? String(code) : null,
    errorMessage: cut(error.message, MESSAGE_CHARACTERS_MAX),
    errorStack: error.stack === undefined ? null : cut(error.stack, STACK_CHARACTERS_MAX),
  };
}

function cut(text: string, charactersMax: number): string {
  return wellFormed(text.slice(0, charactersMax));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Keeps what a function emits until it is known that it does not throw. */
class HeldOutput implements Output<unknown> {
  readonly #moment: () => number;
  #tags: (string | undefined)[] = [];
  #values: unknown[] = [];
  #times: number[] = [];

  constructor(moment: () => number) {
    this.#moment = moment;
  }

  // As those of chains, they may be taken out of the object.
  readonly emit = (value: unknown): void => {
    this.#hold(undefined, value, this.#moment());
  };

  readonly emitAt = (value: unknown, timestampMs: number): void => {
    this.#hold(undefined, value, timestampMs);
  };

  readonly side = (tag: OutputTag<unknown>, value: unknown): void => {
    this.#hold(tag.id, value, this.#moment());
  };

  release(output: OperatorOutput): void {
    if (this.#values.length === 0) return;
    const tags = this.#tags;
    const values = this.#values;
    const times = this.#times;
    this.drop();
    for (let i = 0; i < values.length; i++) {
      const tag = tags[i];
      const timestampMs = times[i] ?? Number.NaN;
      if (tag === undefined) output.emit(values[i], timestampMs);
      else output.side(tag, values[i], timestampMs);
    }
  }

  drop(): void {
    if (this.#values.length === 0) return;
    this.#tags = [];
    this.#values = [];
    this.#times = [];
  }

  #hold(tag: string | undefined, value: unknown, timestampMs: number): void {
    this.#tags.push(tag);
    this.#values.push(value);
    this.#times.push(timestampMs);
  }
}

interface OpenGuard {
  readonly context: OperatorContext;
  readonly letters: DeadLetterSender;
}

/** Runs an operator's function on records, and sends those on which it throws away. */
export class RecordGuard {
  readonly #held = new HeldOutput(() => this.#opened().context.output.moment.timestampMs);
  readonly #undo = new UndoLog();
  #timerCalls: (() => void)[] = [];
  #open: OpenGuard | undefined;

  /** @param context With the output, as the operator's `open` gets it. */
  open(context: OperatorContext): void {
    this.#open = { context, letters: new DeadLetterSender(context) };
  }

  /** What the function emits into. */
  get out(): Output<unknown> {
    return this.#held;
  }

  /** What contexts of the function attach to. */
  get output(): OperatorOutput {
    const { output } = this.#opened().context;
    return { ...output, user: this.#held, userSide: this.#held.side };
  }

  states(
    descriptors: StateDescriptors,
    states: StatesOf<StateDescriptors>,
  ): StatesOf<StateDescriptors> {
    return guardedStates(descriptors, states, this.#undo);
  }

  /** Sets and deletes timers when the call has ended well. */
  timers(timers: TimerService): TimerService {
    const later = (call: () => void): void => {
      this.#timerCalls.push(call);
    };
    return {
      eventTime: (ms) => later(() => timers.eventTime(ms)),
      processingTime: (ms) => later(() => timers.processingTime(ms)),
      deleteEventTime: (ms) => later(() => timers.deleteEventTime(ms)),
      deleteProcessingTime: (ms) => later(() => timers.deleteProcessingTime(ms)),
      watermarkMs: () => timers.watermarkMs(),
      nowMs: () => timers.nowMs(),
    };
  }

  /** @param work The function's call for this record. */
  run(value: unknown, work: () => void): void {
    const { context, letters } = this.#opened();
    const { output, keyed } = context;
    const { timestampMs } = output.moment;
    try {
      work();
    } catch (error) {
      this.#held.drop();
      this.#timerCalls = [];
      this.#undo.rollBack();
      const key = keyed?.currentKey();
      letters.send({ value, timestampMs, key, position: context.position() }, error);
      return;
    }
    this.#undo.keep();
    if (this.#timerCalls.length > 0) this.#setTimers();
    this.#held.release(output);
  }

  #setTimers(): void {
    const calls = this.#timerCalls;
    this.#timerCalls = [];
    for (const call of calls) call();
  }

  #opened(): OpenGuard {
    assert(this.#open !== undefined, 'an element before open');
    return this.#open;
  }
}
