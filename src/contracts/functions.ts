import type { Output, SideOutput } from './output.ts';
import type {
  BroadcastState,
  MapStateDescriptor,
  ReadOnlyBroadcastState,
  StateDescriptors,
  StatesOf,
} from './state.ts';

/** Timers of the current key, as Flink's `TimerService`. Registering one twice leaves one. */
export interface TimerService {
  /** Fires when the watermark reaches `timestampMs`. */
  eventTime(timestampMs: number): void;
  /** Fires when the wall clock reaches `timestampMs`. */
  processingTime(timestampMs: number): void;
  deleteEventTime(timestampMs: number): void;
  deleteProcessingTime(timestampMs: number): void;
  /** The operator's current watermark; `-Infinity` before the first. */
  watermarkMs(): number;
  /** The wall clock, in milliseconds since 1970. */
  nowMs(): number;
}

/** What `open` gets. */
export interface RuntimeContext {
  readonly uid: string;
  readonly subtask: number;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Counts executions of this task, from 0. */
  readonly attempt: number;
  readonly jobName: string;
}

/** The second argument of a process function. One object is reused for all calls: never keep it. */
export interface ProcessContext<K, D extends StateDescriptors, U> {
  readonly key: K;
  /** The element's timestamp in milliseconds; `undefined` if its source gave none. */
  readonly timestamp: number | undefined;
  readonly state: StatesOf<D>;
  readonly out: Output<U>;
  readonly side: SideOutput;
  readonly timers: TimerService;
}

/** The context of a timer that fires: `timestamp` is the timer's. */
export interface OnTimerContext<K, D extends StateDescriptors, U> extends ProcessContext<K, D, U> {
  readonly timestamp: number;
  readonly timeDomain: 'event-time' | 'processing-time';
}

/**
 * What a method that must not be async returns: nothing. `void` alone would let a promise pass.
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- the union is what refuses a promise.
export type Nothing = void | undefined;

interface Lifecycle {
  open?(context: RuntimeContext): void | Promise<void>;
  close?(): void | Promise<void>;
}

/** Flink's `KeyedProcessFunction`; a plain function is taken as its `processElement`. */
export interface KeyedProcessFunction<T, K, D extends StateDescriptors, U> extends Lifecycle {
  processElement(value: T, context: ProcessContext<K, D, U>): Nothing;
  onTimer?(timestampMs: number, context: OnTimerContext<K, D, U>): Nothing;
}

/** The context on a stream without a key: no keyed state, no timers. */
export interface NonKeyedContext<U> {
  readonly timestamp: number | undefined;
  readonly out: Output<U>;
  readonly side: SideOutput;
  readonly watermarkMs: () => number;
  readonly nowMs: () => number;
}

export interface ProcessFunction<T, U> extends Lifecycle {
  processElement(value: T, context: NonKeyedContext<U>): Nothing;
}

/** Two inputs with one key and shared state (Flink's `KeyedCoProcessFunction`). */
export interface KeyedCoProcessFunction<A, B, K, D extends StateDescriptors, U> extends Lifecycle {
  processElement1(value: A, context: ProcessContext<K, D, U>): Nothing;
  processElement2(value: B, context: ProcessContext<K, D, U>): Nothing;
  onTimer?(timestampMs: number, context: OnTimerContext<K, D, U>): Nothing;
}

/** Two inputs without a key. */
export interface CoProcessFunction<A, B, U> extends Lifecycle {
  processElement1(value: A, context: NonKeyedContext<U>): Nothing;
  processElement2(value: B, context: NonKeyedContext<U>): Nothing;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- variance: any map descriptor fits.
export type BroadcastDescriptors = Readonly<Record<string, MapStateDescriptor<any, any>>>;

/** `broadcast.rules` is read-only for elements and writable for the broadcast side. */
export type ReadOnlyBroadcasts<B> = {
  readonly [N in keyof B]: B[N] extends MapStateDescriptor<infer K, infer V>
    ? ReadOnlyBroadcastState<K, V>
    : never;
};
export type WritableBroadcasts<B> = {
  readonly [N in keyof B]: B[N] extends MapStateDescriptor<infer K, infer V>
    ? BroadcastState<K, V>
    : never;
};

/** Flink's `KeyedBroadcastProcessFunction`. */
export interface KeyedBroadcastProcessFunction<
  T,
  S,
  K,
  D extends StateDescriptors,
  B,
  U,
> extends Lifecycle {
  processElement(
    value: T,
    context: ProcessContext<K, D, U> & { readonly broadcast: ReadOnlyBroadcasts<B> },
  ): Nothing;
  processBroadcastElement(
    value: S,
    context: NonKeyedContext<U> & { readonly broadcast: WritableBroadcasts<B> },
  ): Nothing;
  onTimer?(
    timestampMs: number,
    context: OnTimerContext<K, D, U> & { readonly broadcast: ReadOnlyBroadcasts<B> },
  ): Nothing;
}

/** Flink's `BroadcastProcessFunction`. */
export interface BroadcastProcessFunction<T, S, B, U> extends Lifecycle {
  processElement(
    value: T,
    context: NonKeyedContext<U> & { readonly broadcast: ReadOnlyBroadcasts<B> },
  ): Nothing;
  processBroadcastElement(
    value: S,
    context: NonKeyedContext<U> & { readonly broadcast: WritableBroadcasts<B> },
  ): Nothing;
}

/** The result of a function that must not be async: the text is what the compiler shows otherwise. */
export type Sync<R> =
  R extends PromiseLike<unknown> ? 'an async function is not allowed here; use asyncMap' : R;
