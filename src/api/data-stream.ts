/**
 * Streams: immutable values that name the output of operators. Each call adds one operator to the
 * job's graph and returns a new stream; the graph itself is collected by the environment.
 *
 * A stream knows the schema of its elements where the job has given one (`map` and `flatMap` with a
 * schema, sources that know theirs), so that later operators can store elements without being told.
 */
import { EngineError } from '../common/errors.ts';
import type { OnError } from '../contracts/dead-letter.ts';
import type {
  BroadcastDescriptors,
  BroadcastProcessFunction,
  CoProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  NonKeyedContext,
  ProcessContext,
  ProcessFunction,
  Sync,
} from '../contracts/functions.ts';
import type { Output, OutputTag } from '../contracts/output.ts';
import type { Sink } from '../contracts/sink.ts';
import type { StateDescriptors } from '../contracts/state.ts';
import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import type { WindowAssigner, WindowFunction } from '../contracts/windows.ts';
import type { KeySelector, OperatorSpec, Partitioner, StreamEdge } from '../graph/operator-spec.ts';
import type { Serializer } from '../serde/serializer.ts';
import { toSerializer, type SchemaOf } from '../serde/to-serializer.ts';
import { asyncMapSpec, type AsyncMapOptions } from './async-map.ts';
import { requireFunction, requireSyncFunction, requireTagId, requireUid } from './checks.ts';
import type { GraphBuilder } from './graph-builder.ts';
import { processGiven, requireStates, type FunctionOrClass } from './process-arguments.ts';
import type { AnySchema, InferOutput } from './schemas.ts';
import {
  describeParts,
  edgesOf,
  keyedEdgesOf,
  ownOperator,
  requireNoStates,
  requireSameJob,
  schemaAnd,
  schemaAndFunction,
  type KeyedParts,
  type StreamParts,
} from './stream-parts.ts';
import { checkedWindowOptions, type WindowCallOptions } from './windows.ts';

interface NewOperator<U> {
  readonly uid: string;
  readonly spec: OperatorSpec;
  readonly edges: readonly StreamEdge[];
  readonly keys?: readonly (KeySelector | undefined)[];
  readonly element?: Serializer<U> | undefined;
  readonly parallelism?: number;
}

/** A key may be what has value equality: see `keyHash`. Others do not compile. */
export type StreamKey<K> =
  K extends PromiseLike<unknown>
    ? 'a key selector must not be async'
    : K extends undefined | symbol | Date | ((...args: never) => unknown)
      ? 'a key must be a string, number, bigint, boolean, null, or a tuple or object of them'
      : K;

/** A process function of a stream without a key. */
export type ProcessFn<T, U, R> =
  ((value: T, context: NonKeyedContext<U>) => Sync<R>) | FunctionOrClass<ProcessFunction<T, U>>;

/** A process function of a keyed stream. */
export type KeyedProcessFn<T, K, D extends StateDescriptors, U, R> =
  | ((value: T, context: ProcessContext<K, D, U>) => Sync<R>)
  | FunctionOrClass<KeyedProcessFunction<T, K, D, U>>;

let partsOf: <T>(stream: DataStream<T>) => StreamParts<T>;
let keyedPartsOf: <T, K>(stream: KeyedStream<T, K>) => KeyedParts<T>;
let broadcastPartsOf: <S, B extends BroadcastDescriptors>(
  stream: BroadcastStream<S, B>,
) => { readonly stream: DataStream<S>; readonly descriptors: B };

/** A stream of elements of type `T`; Flink's `DataStream`. */
export class DataStream<T> {
  readonly #parts: StreamParts<T>;

  static {
    partsOf = (stream) => stream.#parts;
  }

  /** @internal Streams come from `env.fromSource` and from the calls of other streams. */
  constructor(parts: StreamParts<T>) {
    this.#parts = parts;
  }

  /**
   * One element for each. With a `schema` the result's type is the schema's, and later operators
   * can store the elements; they are not validated.
   *
   * @param map Pure, and not async: use `asyncMap` for what waits.
   * @throws {EngineError} `API-001` to `API-005`, `API-015` (`invalid`)
   * @example `rows.map('to-payment', Payment, (row) => ({ orderId: row.id, amount: Number(row.amount) }))`
   */
  map<U>(uid: string, map: (value: T) => Sync<U>): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  map<S extends AnySchema>(
    uid: string,
    schema: S,
    map: (value: T) => InferOutput<S>,
  ): DataStream<InferOutput<S>>;
  map<U>(uid: string, ...rest: readonly unknown[]): DataStream<U> {
    const { element, fn } = schemaAndFunction<U>(uid, rest, 'map');
    return this.#then(uid, { kind: 'map', map: fn as (value: T) => unknown }, element);
  }

  /**
   * Keeps the elements for which `predicate` is true. A type guard narrows the stream's type.
   *
   * @throws {EngineError} `API-001` to `API-005`, `API-015` (`invalid`)
   * @example `readings.filter('known', (r) => r.value !== undefined)`
   */
  filter<U extends T>(uid: string, predicate: (value: T) => value is U): DataStream<U>;
  /** With a plain condition. */
  filter(uid: string, predicate: (value: T) => boolean): DataStream<T>;
  filter(uid: string, predicate: (value: T) => boolean): DataStream<T> {
    requireUid(uid);
    requireSyncFunction(predicate, { uid, what: 'filter' });
    return this.#then(uid, { kind: 'filter', filter: predicate }, this.#parts.element);
  }

  /**
   * Any number of elements for each. Emits elements of type `T`, unless a `schema` or an annotation
   * `out: Output<U>` says otherwise.
   *
   * @throws {EngineError} `API-001` to `API-005`, `API-015` (`invalid`)
   * @example
   * ```ts
   * rows.flatMap('explode', Reading, (row, out) => {
   *   for (const reading of toReadings(row)) out.emit(reading);
   * });
   * ```
   */
  flatMap<U = T, R = unknown>(
    uid: string,
    flatMap: (value: T, out: Output<U>) => Sync<R>,
  ): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  flatMap<S extends AnySchema, R>(
    uid: string,
    schema: S,
    flatMap: (value: T, out: Output<InferOutput<S>>) => Sync<R>,
  ): DataStream<InferOutput<S>>;
  flatMap<U>(uid: string, ...rest: readonly unknown[]): DataStream<U> {
    const { element, fn } = schemaAndFunction<U>(uid, rest, 'flatMap');
    const flatMap = fn as (value: T, out: Output<U>) => void;
    return this.#then(uid, { kind: 'flat-map', flatMap }, element);
  }

  /**
   * Gives the elements timestamps and watermarks here, instead of at the source. Prefer the source:
   * it knows its splits, and one slow split then makes nothing late.
   *
   * @throws {EngineError} `API-001` to `API-003`, `API-015` (`invalid`)
   */
  assignTimestampsAndWatermarks(
    uid: string,
    watermarks: WatermarkStrategy<NoInfer<T>>,
  ): DataStream<T> {
    return this.#then(uid, { kind: 'assign-timestamps', watermarks }, this.#parts.element);
  }

  /**
   * The general operator without state: emits what it wants, also to side outputs. Emits elements
   * of type `T`, unless a `schema` or an annotation says otherwise. State and timers need `keyBy`.
   *
   * @param process A function, an object with `processElement` (`open`, `close`), or a class of
   * which each subtask makes an object of its own.
   * @throws {EngineError} `API-001` to `API-007`, `API-015` (`invalid`)
   * @example
   * ```ts
   * const negative = outputTag('negative', Order);
   *
   * orders.process('split', (order, { out, side }) => {
   *   if (order.amount >= 0) out.emit(order);
   *   else side(negative, order);
   * });
   * ```
   */
  process<U = T, R = unknown>(uid: string, process: ProcessFn<T, U, R>): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  process<S extends AnySchema, R>(
    uid: string,
    schema: S,
    process: ProcessFn<T, InferOutput<S>, R>,
  ): DataStream<InferOutput<S>>;
  process<U>(uid: string, ...rest: readonly unknown[]): DataStream<U> {
    requireNoStates(uid, rest);
    const { element, fn } = schemaAnd<U>(rest);
    const given = processGiven<ProcessFunction<T, U>>(uid, fn, ['processElement']);
    return this.#then(uid, { kind: 'process', ...given }, element);
  }

  /**
   * Calls something that waits, such as a service, with many calls under way at a time. Elements
   * in flight are part of each checkpoint and are called again after a restore: what is called
   * must bear that.
   *
   * @param element The schema of this stream's elements, for the checkpoint.
   * @throws {EngineError} `API-001` to `API-003`, `API-005`, `API-009`, `API-015` (`invalid`)
   * @example
   * ```ts
   * orders.asyncMap('enrich', Order, async (order) => ({ ...order, rate: await rateOf(order) }), {
   *   ordered: false,
   *   capacity: 200,
   *   timeoutMs: seconds(10),
   * });
   * ```
   */
  asyncMap<U>(
    uid: string,
    element: SchemaOf<T>,
    asyncMap: (value: T) => PromiseLike<U>,
    options: AsyncMapOptions = {},
  ): DataStream<U> {
    requireUid(uid);
    requireFunction(asyncMap, { uid, what: 'asyncMap' });
    return this.#then(uid, asyncMapSpec(toSerializer(element), asyncMap, options), undefined);
  }

  /**
   * Groups the elements by key: all elements of one key go to one subtask, where they share state.
   *
   * @param selector The key of an element: a string, number, bigint, boolean or null, or a tuple or
   * plain object of them. Pure and cheap, and not async: it runs once per element.
   * @throws {EngineError} `API-004`, `API-005` (`invalid`)
   * @example `readings.keyBy((r) => [r.deviceId, r.metric])`
   */
  keyBy<const K>(selector: (value: T) => StreamKey<K>): KeyedStream<T, K> {
    requireSyncFunction(selector, { uid: describeParts(this.#parts), what: 'key selector' });
    return new KeyedStream({ ...this.#parts, key: selector });
  }

  /**
   * The elements of this stream and the others, in no order between them.
   *
   * @throws {EngineError} `API-003`, `API-013` (`invalid`)
   */
  union(...others: readonly DataStream<T>[]): DataStream<T> {
    const all = [this.#parts, ...others.map((other) => partsOf(other))];
    for (const other of all) requireSameJob(this.#parts.builder, other.builder);
    const upstreams = all.flatMap((parts) => parts.upstreams);
    const seen = new Set<string>();
    for (const { from, output } of upstreams) {
      const id = output === undefined ? from : `${from}/${output}`;
      if (seen.has(id)) {
        throw new EngineError('API-013', 'invalid', 'a union has one stream twice', {
          details: { stream: id },
          hint: 'Put a map between if each element is really meant to come twice.',
        });
      }
      seen.add(id);
    }
    const element = all.every((parts) => parts.element !== undefined)
      ? this.#parts.element
      : undefined;
    return new DataStream({
      builder: this.#parts.builder,
      upstreams,
      element,
      operator: undefined,
    });
  }

  /**
   * Two streams with one operator: without a key here, with a key by `keyBy` on both; or with a
   * broadcast stream, whose state each subtask has.
   *
   * @throws {EngineError} `API-003` (`invalid`)
   */
  connect<S, B extends BroadcastDescriptors>(
    broadcast: BroadcastStream<S, B>,
  ): BroadcastConnectedStream<T, S, B>;
  /** Without shared state: another stream as it is. */
  connect<S>(other: DataStream<S>): ConnectedStreams<T, S>;
  connect(other: DataStream<unknown> | BroadcastStream<unknown, BroadcastDescriptors>): unknown {
    if (other instanceof BroadcastStream) return new BroadcastConnectedStream(this, other);
    requireSameJob(this.#parts.builder, partsOf(other).builder);
    return new ConnectedStreams(this, other);
  }

  /**
   * Each element goes to all subtasks of the next operator. With descriptors it can be connected
   * with another stream, whose operator then has that state on each subtask.
   *
   * @throws {EngineError} `API-017` to `API-019` (`invalid`)
   * @example
   * ```ts
   * const rules = mapState('rules', z.string(), Rule);
   * readings.connect(ruleUpdates.broadcast({ rules })).process('apply-rules', {
   *   processElement(reading, { broadcast, out }) {
   *     const limit = broadcast.rules.get(reading.metric)?.limit ?? Infinity;
   *     if (reading.value > limit) out.emit(reading);
   *   },
   *   processBroadcastElement: (rule, { broadcast }) => broadcast.rules.put(rule.metric, rule),
   * });
   * ```
   */
  broadcast(): DataStream<T>;
  /** With the state that is made of it, by the name it has in the function's `broadcast`. */
  broadcast<B extends BroadcastDescriptors>(descriptors: B): BroadcastStream<T, B>;
  broadcast(descriptors?: BroadcastDescriptors): unknown {
    const stream = this.#partitioned({ kind: 'broadcast' });
    if (descriptors === undefined) return stream;
    requireStates('broadcast', descriptors);
    return new BroadcastStream(stream, descriptors);
  }

  /** Deals the elements out to all subtasks of the next operator in turn: evens out skewed splits. */
  rebalance(): DataStream<T> {
    return this.#partitioned({ kind: 'rebalance' });
  }

  /**
   * Ends the stream in a sink.
   *
   * @throws {EngineError} `API-001` to `API-003`, `API-005`, `API-015` (`invalid`)
   * @example `readings.sinkTo('vitals', fileSink({ path: 'out/vitals', format: 'json-lines' }))`
   */
  sinkTo<C>(uid: string, sink: Sink<T, C>): DataStreamSink {
    requireUid(uid);
    requireFunction((sink as Partial<Sink<T, C>> | undefined)?.writer, {
      uid,
      what: 'sink.writer',
    });
    this.#then(uid, { kind: 'sink', sink }, undefined);
    return new DataStreamSink(this.#parts.builder, uid);
  }

  /**
   * What the operator of this stream has emitted to `tag`.
   *
   * @throws {EngineError} `API-012` (`invalid`) for a malformed tag, `API-021` if this stream is no
   * operator's main output.
   * @example `hourly.sideOutput(late).sinkTo('late', print())`
   */
  sideOutput<U>(tag: OutputTag<U>): DataStream<U> {
    requireTagId((tag as OutputTag<U> | undefined)?.id);
    const { builder, operator } = this.#parts;
    if (operator === undefined) {
      throw new EngineError(
        'API-021',
        'invalid',
        'only the stream of an operator has side outputs',
        {
          details: { tag: tag.id, stream: describeParts(this.#parts) },
          hint: 'Call sideOutput on the stream that the operator returned, before union, rebalance or broadcast.',
        },
      );
    }
    const upstream = { from: operator, output: tag.id, partitioner: { kind: 'forward' } } as const;
    return new DataStream({
      builder,
      upstreams: [upstream],
      element: tag.element,
      operator: undefined,
    });
  }

  /**
   * Sets the parallelism of the operator that this stream comes from. Default: the job's.
   *
   * @returns The same stream.
   * @throws {EngineError} `API-010`, `API-015`, `API-020` (`invalid`)
   */
  setParallelism(parallelism: number): DataStream<T> {
    const operator = ownOperator(this.#parts, 'setParallelism', { parallelism });
    this.#parts.builder.setParallelism(operator, parallelism);
    return new DataStream(this.#parts);
  }

  /**
   * What becomes of a record on which the function of the operator that this stream comes from throws.
   * `fail`, the default: the job fails and restarts. `dead-letter`: the record goes to
   * `env.deadLetters()` with the reason, and is gone from here: what the function did for it until
   * then (state, timers, what it emitted) is taken back.
   *
   * For that, state is copied when it is read, and what is emitted is held until the function returns.
   *
   * @returns The same stream.
   * @throws {EngineError} `DLQ-001`, `API-015`, `API-020` (`invalid`)
   * @example `rows.map('parse', (row) => JSON.parse(row.amount) as unknown).onError('dead-letter')`
   */
  onError(onError: OnError): DataStream<T> {
    const operator = ownOperator(this.#parts, 'onError', { onError });
    this.#parts.builder.setOnError(operator, onError);
    return new DataStream(this.#parts);
  }

  #then<U>(uid: string, spec: OperatorSpec, element: Serializer<U> | undefined): DataStream<U> {
    return addOperator(this.#parts.builder, { uid, spec, element, edges: edgesOf(this.#parts, 0) });
  }

  #partitioned(partitioner: Partitioner): DataStream<T> {
    const upstreams = this.#parts.upstreams.map((upstream) => ({ ...upstream, partitioner }));
    return new DataStream({ ...this.#parts, upstreams, operator: undefined });
  }
}

/** A stream's end. */
export class DataStreamSink {
  readonly #builder: GraphBuilder;
  readonly #uid: string;

  /** @internal Comes from `sinkTo`. */
  constructor(builder: GraphBuilder, uid: string) {
    this.#builder = builder;
    this.#uid = uid;
  }

  /** Sets the parallelism of the sink. Default: the job's. @throws {EngineError} `API-010` */
  setParallelism(parallelism: number): this {
    this.#builder.setParallelism(this.#uid, parallelism);
    return this;
  }
}

/** A stream whose elements are grouped by a key of type `K`: what state, timers and windows need. */
export class KeyedStream<T, K> {
  readonly #parts: KeyedParts<T>;
  /** Only for the compiler. */
  declare readonly keyType?: K;

  static {
    keyedPartsOf = (stream) => stream.#parts;
  }

  /** @internal Comes from `keyBy`. */
  constructor(parts: KeyedParts<T>) {
    this.#parts = parts;
  }

  /**
   * The general operator: keyed state, timers, side outputs. Emits elements of type `T`, unless a
   * `schema` or an annotation says otherwise.
   *
   * @param states The operator's state, by the name it has in the function's `state`.
   * @param process A function, an object with `processElement` (`onTimer`, `open`, `close`), or a
   * class of which each subtask makes an object of its own. State lives in `state` only: variables
   * outside and fields of an object are not in any checkpoint.
   * @throws {EngineError} `API-001` to `API-005`, `API-015` to `API-019` (`invalid`)
   *
   * @example
   * ```ts
   * const seen = valueState('seen', z.boolean(), { ttlMs: days(400) });
   *
   * readings
   *   .keyBy((r) => [r.deviceId, r.ts])
   *   .process('deduplicate', { seen }, (r, { state, out }) => {
   *     if (state.seen.value() === true) return;
   *     state.seen.update(true);
   *     out.emit(r);
   *   });
   * ```
   */
  process<D extends StateDescriptors, U = T, R = unknown>(
    uid: string,
    states: D,
    process: KeyedProcessFn<T, K, D, U, R>,
  ): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  process<D extends StateDescriptors, S extends AnySchema, R>(
    uid: string,
    states: D,
    schema: S,
    process: KeyedProcessFn<T, K, D, InferOutput<S>, R>,
  ): DataStream<InferOutput<S>>;
  process<U>(uid: string, states: StateDescriptors, ...rest: readonly unknown[]): DataStream<U> {
    requireStates(uid, states);
    const { element, fn } = schemaAnd<U>(rest);
    const given = processGiven<KeyedProcessFunction<T, K, StateDescriptors, U>>(uid, fn, [
      'processElement',
    ]);
    return this.#then(uid, { kind: 'keyed-process', states, ...given }, element);
  }

  /**
   * The running reduction of each key, emitted anew for every element.
   *
   * Without a schema the stream must know it: from the operator before, or the source.
   *
   * @param reduce Pure; must not change its arguments.
   * @throws {EngineError} `API-001` to `API-005`, `API-011`, `API-015` (`invalid`)
   * @example `sales.keyBy((s) => s.shop).reduce('total', Sale, (a, b) => ({ ...b, amount: a.amount + b.amount }))`
   */
  reduce(uid: string, reduce: (a: T, b: T) => Sync<T>): DataStream<T>;
  /** With the schema of the elements, for the state. Otherwise as without. */
  reduce(uid: string, schema: SchemaOf<T>, reduce: (a: T, b: T) => Sync<T>): DataStream<T>;
  reduce(uid: string, ...rest: readonly unknown[]): DataStream<T> {
    const given = schemaAndFunction<T>(uid, rest, 'reduce');
    const serializer = given.element ?? this.#parts.element;
    if (serializer === undefined) {
      throw new EngineError(
        'API-011',
        'invalid',
        'reduce does not know the schema of its elements',
        {
          details: { uid },
          hint: `Give the schema before the function: reduce('${uid}', schema, (a, b) => …).`,
        },
      );
    }
    const reduce = given.fn as (a: T, b: T) => T;
    const states: StateDescriptors = {
      reduction: { kind: 'reducing', name: 'reduction', ttl: undefined, serializer, reduce },
    };
    return this.#then(uid, { kind: 'reduce', states, reduce }, serializer);
  }

  /**
   * Cuts each key's elements into windows, and emits one result (or more) for each window.
   *
   * @param assigner `tumbling`, `sliding`, `session`, `globalWindow` or a processing-time variant.
   * @param window `aggregate`, `reduceWindow` or `processWindow`.
   * @throws {EngineError} `API-001` to `API-003`, `API-008`, `API-009`, `API-015` (`invalid`)
   * @example
   * ```ts
   * const late = outputTag('late', Reading);
   * const hourly = readings
   *   .keyBy((r) => r.deviceId)
   *   .window('hourly', tumbling(hours(1)), count(), { allowedLatenessMs: minutes(5), lateData: late });
   * hourly.sideOutput(late).sinkTo('late', print());
   * ```
   */
  window<U>(
    uid: string,
    assigner: WindowAssigner,
    window: WindowFunction<T, K, U>,
    options: WindowCallOptions<T> = {},
  ): DataStream<U> {
    const checked = checkedWindowOptions(uid, assigner, window, options);
    const spec = { kind: 'window', assigner, function: window, options: checked } as const;
    return this.#then(uid, spec, undefined);
  }

  /**
   * Two streams with the same key and shared state, or a keyed stream with a broadcast one.
   *
   * @throws {EngineError} `API-003` (`invalid`)
   */
  connect<S, B extends BroadcastDescriptors>(
    broadcast: BroadcastStream<S, B>,
  ): KeyedBroadcastConnectedStream<T, S, K, B>;
  /** With another stream that has the same type of key. */
  connect<S>(other: KeyedStream<S, K>): ConnectedKeyedStreams<T, S, K>;
  connect(
    other: KeyedStream<unknown, K> | BroadcastStream<unknown, BroadcastDescriptors>,
  ): unknown {
    if (other instanceof BroadcastStream) return new KeyedBroadcastConnectedStream(this, other);
    requireSameJob(this.#parts.builder, keyedPartsOf(other).builder);
    return new ConnectedKeyedStreams(this, other);
  }

  #then<U>(uid: string, spec: OperatorSpec, element: Serializer<U> | undefined): DataStream<U> {
    return addOperator(this.#parts.builder, {
      uid,
      spec,
      element,
      edges: keyedEdgesOf(this.#parts, 0),
      keys: [this.#parts.key],
    });
  }
}

/** Two streams without a key, for one operator; Flink's `ConnectedStreams`. */
export class ConnectedStreams<A, B> {
  readonly #first: DataStream<A>;
  readonly #second: DataStream<B>;

  /** @internal Comes from `connect`. */
  constructor(first: DataStream<A>, second: DataStream<B>) {
    this.#first = first;
    this.#second = second;
  }

  /**
   * Groups both by keys of one type, so that elements of equal keys share state.
   *
   * @throws {EngineError} `API-004`, `API-005` (`invalid`)
   */
  keyBy<const K>(
    first: (value: A) => StreamKey<K>,
    second: (value: B) => StreamKey<NoInfer<K>>,
  ): ConnectedKeyedStreams<A, B, K> {
    requireSyncFunction(second, { uid: 'connect', what: 'key selector' });
    const other = new KeyedStream<B, K>({ ...partsOf(this.#second), key: second });
    return new ConnectedKeyedStreams(this.#first.keyBy(first), other);
  }

  /**
   * One operator for both. Emits elements of type `A`, unless a `schema` says otherwise.
   *
   * @throws {EngineError} `API-001` to `API-005`, `API-015` (`invalid`)
   */
  process<U = A>(uid: string, process: FunctionOrClass<CoProcessFunction<A, B, U>>): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  process<S extends AnySchema>(
    uid: string,
    schema: S,
    process: FunctionOrClass<CoProcessFunction<A, B, InferOutput<S>>>,
  ): DataStream<InferOutput<S>>;
  process<U>(uid: string, ...rest: readonly unknown[]): DataStream<U> {
    requireNoStates(uid, rest);
    const first = partsOf(this.#first);
    const { element, fn } = schemaAnd<U>(rest);
    const given = processGiven<CoProcessFunction<A, B, U>>(uid, fn, [
      'processElement1',
      'processElement2',
    ]);
    return addOperator(first.builder, {
      uid,
      spec: { kind: 'co-process', ...given },
      element,
      edges: [...edgesOf(first, 0), ...edgesOf(partsOf(this.#second), 1)],
    });
  }
}

/** Two keyed streams with shared state, for one operator. */
export class ConnectedKeyedStreams<A, B, K> {
  readonly #first: KeyedStream<A, K>;
  readonly #second: KeyedStream<B, K>;

  /** @internal Comes from `connect`. */
  constructor(first: KeyedStream<A, K>, second: KeyedStream<B, K>) {
    this.#first = first;
    this.#second = second;
  }

  /**
   * One operator for both, with state per key. Emits elements of type `A`, unless a `schema` says
   * otherwise.
   *
   * @throws {EngineError} `API-001` to `API-005`, `API-015` to `API-019` (`invalid`)
   * @example Wait for the payment of an order
   * ```ts
   * const open = valueState('open', Order);
   *
   * orders.keyBy((o) => o.id).connect(payments.keyBy((p) => p.orderId)).process('match', { open }, Paid, {
   *   processElement1: (order, { state }) => state.open.update(order),
   *   processElement2(payment, { state, out }) {
   *     const order = state.open.value();
   *     if (order) out.emit({ order, payment });
   *   },
   * });
   * ```
   */
  process<D extends StateDescriptors, U = A>(
    uid: string,
    states: D,
    process: FunctionOrClass<KeyedCoProcessFunction<A, B, K, D, U>>,
  ): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  process<D extends StateDescriptors, S extends AnySchema>(
    uid: string,
    states: D,
    schema: S,
    process: FunctionOrClass<KeyedCoProcessFunction<A, B, K, D, InferOutput<S>>>,
  ): DataStream<InferOutput<S>>;
  process<U>(uid: string, states: StateDescriptors, ...rest: readonly unknown[]): DataStream<U> {
    requireStates(uid, states);
    const first = keyedPartsOf(this.#first);
    const second = keyedPartsOf(this.#second);
    const { element, fn } = schemaAnd<U>(rest);
    const given = processGiven<KeyedCoProcessFunction<A, B, K, StateDescriptors, U>>(uid, fn, [
      'processElement1',
      'processElement2',
    ]);
    return addOperator(first.builder, {
      uid,
      spec: { kind: 'keyed-co-process', states, ...given },
      element,
      edges: [...keyedEdgesOf(first, 0), ...keyedEdgesOf(second, 1)],
      keys: [first.key, second.key],
    });
  }
}

/** A stream that goes to all subtasks, with the state that is made of it. */
export class BroadcastStream<S, B extends BroadcastDescriptors> {
  readonly #stream: DataStream<S>;
  readonly #descriptors: B;

  static {
    broadcastPartsOf = (stream) => ({
      stream: stream.#stream,
      descriptors: stream.#descriptors,
    });
  }

  /** @internal Comes from `broadcast`. */
  constructor(stream: DataStream<S>, descriptors: B) {
    this.#stream = stream;
    this.#descriptors = descriptors;
  }
}

/** A stream and a broadcast stream, for one operator. */
export class BroadcastConnectedStream<T, S, B extends BroadcastDescriptors> {
  readonly #stream: DataStream<T>;
  readonly #broadcast: BroadcastStream<S, B>;

  /** @internal Comes from `connect`. */
  constructor(stream: DataStream<T>, broadcast: BroadcastStream<S, B>) {
    this.#stream = stream;
    this.#broadcast = broadcast;
  }

  /**
   * Elements may read the broadcast state, broadcast elements may write it. Emits elements of type
   * `T`, unless a `schema` says otherwise.
   *
   * The broadcast side must do the same on each subtask: decide by the element and the state only.
   *
   * @throws {EngineError} `API-001` to `API-005`, `API-015` (`invalid`)
   */
  process<U = T>(
    uid: string,
    process: FunctionOrClass<BroadcastProcessFunction<T, S, B, U>>,
  ): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  process<O extends AnySchema>(
    uid: string,
    schema: O,
    process: FunctionOrClass<BroadcastProcessFunction<T, S, B, InferOutput<O>>>,
  ): DataStream<InferOutput<O>>;
  process<U>(uid: string, ...rest: readonly unknown[]): DataStream<U> {
    requireNoStates(uid, rest);
    const parts = partsOf(this.#stream);
    const { element, fn } = schemaAnd<U>(rest);
    const given = processGiven<BroadcastProcessFunction<T, S, B, U>>(uid, fn, [
      'processElement',
      'processBroadcastElement',
    ]);
    const broadcasts = broadcastPartsOf(this.#broadcast).descriptors;
    return addOperator(parts.builder, {
      uid,
      spec: { kind: 'broadcast-process', broadcasts, ...given },
      element,
      edges: [...edgesOf(parts, 0), ...broadcastEdges(parts.builder, this.#broadcast)],
    });
  }
}

/** A keyed stream and a broadcast stream, for one operator. */
export class KeyedBroadcastConnectedStream<T, S, K, B extends BroadcastDescriptors> {
  readonly #stream: KeyedStream<T, K>;
  readonly #broadcast: BroadcastStream<S, B>;

  /** @internal Comes from `connect`. */
  constructor(stream: KeyedStream<T, K>, broadcast: BroadcastStream<S, B>) {
    this.#stream = stream;
    this.#broadcast = broadcast;
  }

  /**
   * As without a key, and with keyed state and timers for the elements. Emits elements of type `T`,
   * unless a `schema` says otherwise.
   *
   * @throws {EngineError} `API-001` to `API-005`, `API-015` to `API-019` (`invalid`)
   * @example
   * ```ts
   * const rules = mapState('rules', z.string(), Rule);
   * const last = valueState('last', z.number());
   * const Alarm = z.object({ reading: Reading, last: z.number().optional() });
   *
   * readings.keyBy((r) => r.deviceId).connect(ruleUpdates.broadcast({ rules })).process('alarm', { last }, Alarm, {
   *   processElement(reading, { state, broadcast, out }) {
   *     const rule = broadcast.rules.get(reading.metric);
   *     if (rule && reading.value > rule.limit) out.emit({ reading, last: state.last.value() });
   *     state.last.update(reading.value);
   *   },
   *   processBroadcastElement: (rule, { broadcast }) => broadcast.rules.put(rule.metric, rule),
   * });
   * ```
   */
  process<D extends StateDescriptors, U = T>(
    uid: string,
    states: D,
    process: FunctionOrClass<KeyedBroadcastProcessFunction<T, S, K, D, B, U>>,
  ): DataStream<U>;
  /** With the schema of what it emits, which gives the stream its type. Otherwise as without. */
  process<D extends StateDescriptors, O extends AnySchema>(
    uid: string,
    states: D,
    schema: O,
    process: FunctionOrClass<KeyedBroadcastProcessFunction<T, S, K, D, B, InferOutput<O>>>,
  ): DataStream<InferOutput<O>>;
  process<U>(uid: string, states: StateDescriptors, ...rest: readonly unknown[]): DataStream<U> {
    requireStates(uid, states);
    const parts = keyedPartsOf(this.#stream);
    const { element, fn } = schemaAnd<U>(rest);
    const broadcasts = broadcastPartsOf(this.#broadcast).descriptors;
    requireStates(uid, { ...states, ...broadcasts });
    const given = processGiven<KeyedBroadcastProcessFunction<T, S, K, StateDescriptors, B, U>>(
      uid,
      fn,
      ['processElement', 'processBroadcastElement'],
    );
    return addOperator(parts.builder, {
      uid,
      spec: { kind: 'keyed-broadcast-process', states, broadcasts, ...given },
      element,
      edges: [...keyedEdgesOf(parts, 0), ...broadcastEdges(parts.builder, this.#broadcast)],
      keys: [parts.key],
    });
  }
}

/** @internal Adds an operator to the graph and returns its main output. */
export function addOperator<U>(builder: GraphBuilder, operator: NewOperator<U>): DataStream<U> {
  const { keys = [], ...node } = operator;
  builder.add({ ...node, keys });
  const upstream = { from: node.uid, output: undefined, partitioner: { kind: 'forward' } } as const;
  return new DataStream({
    builder,
    upstreams: [upstream],
    element: operator.element,
    operator: node.uid,
  });
}

function broadcastEdges<S, B extends BroadcastDescriptors>(
  builder: GraphBuilder,
  broadcast: BroadcastStream<S, B>,
): readonly StreamEdge[] {
  const parts = partsOf(broadcastPartsOf(broadcast).stream);
  requireSameJob(builder, parts.builder);
  return edgesOf(parts, 1);
}
