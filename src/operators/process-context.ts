/**
 * The contexts that process functions get. One object each is reused for all calls of an operator;
 * the chain sets `key` and the moment before each.
 */
import type {
  NonKeyedContext,
  OnTimerContext,
  ProcessContext,
  RuntimeContext,
  TimerService,
} from '../contracts/functions.ts';
import type { Output, SideOutput } from '../contracts/output.ts';
import type { StateDescriptors, StatesOf } from '../contracts/state.ts';
import type { TimeDomain } from '../contracts/windows.ts';
import { Moment } from '../runtime/inline.ts';
import type { OperatorContext, OperatorOutput } from '../runtime/operator.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';

const NO_OUT: Output<unknown> = { emit: () => undefined, emitAt: () => undefined };
const NO_SIDE: SideOutput = () => undefined;

abstract class Emitting {
  out: Output<unknown> = NO_OUT;
  side: SideOutput = NO_SIDE;
  #moment = new Moment();

  /** The operator opens: what is emitted goes there. */
  attach(output: OperatorOutput): void {
    this.out = output.user;
    this.side = output.userSide;
    this.#moment = output.moment;
  }

  get timestamp(): number | undefined {
    const { timestampMs } = this.#moment;
    return timestampMs === timestampMs ? timestampMs : undefined;
  }
}

export class ElementContext extends Emitting implements NonKeyedContext<unknown> {
  readonly watermarkMs: () => number;
  readonly nowMs: () => number;

  constructor(watermarkMs: () => number, nowMs: () => number) {
    super();
    this.watermarkMs = watermarkMs;
    this.nowMs = nowMs;
  }
}

export class KeyedElementContext
  extends Emitting
  implements ProcessContext<unknown, StateDescriptors, unknown>
{
  key: unknown = undefined;
  readonly state: StatesOf<StateDescriptors>;
  readonly timers: TimerService;

  constructor(state: StatesOf<StateDescriptors>, timers: TimerService) {
    super();
    this.state = state;
    this.timers = timers;
  }
}

export class TimerContext implements OnTimerContext<unknown, StateDescriptors, unknown> {
  key: unknown = undefined;
  timestamp = Number.NaN;
  timeDomain: TimeDomain = 'event-time';
  out: Output<unknown> = NO_OUT;
  side: SideOutput = NO_SIDE;
  readonly state: StatesOf<StateDescriptors>;
  readonly timers: TimerService;

  constructor(state: StatesOf<StateDescriptors>, timers: TimerService) {
    this.state = state;
    this.timers = timers;
  }

  attach(output: OperatorOutput): void {
    this.out = output.user;
    this.side = output.userSide;
  }
}

/** Declares what the spec names; the result is what a function gets as `state`. */
export function declareStates(
  descriptors: StateDescriptors,
  keyed: KeyedStateBackend,
): StatesOf<StateDescriptors> {
  return Object.fromEntries(
    Object.entries(descriptors).map(([name, descriptor]) => [name, keyed.declare(descriptor)]),
  );
}

/** What the user's `open` gets. */
export function runtimeContextOf(context: OperatorContext): RuntimeContext {
  const { uid, subtask, parallelism, maxParallelism, attempt, jobName } = context;
  return { uid, subtask, parallelism, maxParallelism, attempt, jobName };
}
