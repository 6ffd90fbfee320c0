import type { OnError } from '../contracts/dead-letter.ts';
import type {
  BroadcastDescriptors,
  BroadcastProcessFunction,
  CoProcessFunction,
  KeyedBroadcastProcessFunction,
  KeyedCoProcessFunction,
  KeyedProcessFunction,
  ProcessFunction,
} from '../contracts/functions.ts';
import type { Output } from '../contracts/output.ts';
import type { Sink } from '../contracts/sink.ts';
import type { Source } from '../contracts/source.ts';
import type { StateDescriptors } from '../contracts/state.ts';
import type { Serializer } from '../serde/serializer.ts';
import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import type { WindowAssigner, WindowFunction, WindowOptions } from '../contracts/windows.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- The graph is untyped inside: `api` gives the types, `operators` runs them. */

/** The user's function object. */
interface PerSubtask<F> {
  readonly process: F;
  /** There if the user gave a class: each subtask makes an object of its own and ignores `process`. */
  readonly newProcess?: (() => F) | undefined;
}

/**
 * What an operator does, as data plus the user's functions. `api` makes these, `operators` has one
 * file that runs each kind, `graph` knows only what plans and chaining need.
 */
export type OperatorSpec =
  | {
      readonly kind: 'source';
      readonly source: Source<any>;
      readonly watermarks: WatermarkStrategy<any>;
    }
  | { readonly kind: 'map'; readonly map: (value: any) => unknown }
  | { readonly kind: 'filter'; readonly filter: (value: any) => boolean }
  | { readonly kind: 'flat-map'; readonly flatMap: (value: any, out: Output<any>) => void }
  | { readonly kind: 'assign-timestamps'; readonly watermarks: WatermarkStrategy<any> }
  | ({ readonly kind: 'process' } & PerSubtask<ProcessFunction<any, any>>)
  | ({
      readonly kind: 'keyed-process';
      readonly states: StateDescriptors;
    } & PerSubtask<KeyedProcessFunction<any, any, any, any>>)
  | ({ readonly kind: 'co-process' } & PerSubtask<CoProcessFunction<any, any, any>>)
  | ({
      readonly kind: 'keyed-co-process';
      readonly states: StateDescriptors;
    } & PerSubtask<KeyedCoProcessFunction<any, any, any, any, any>>)
  | ({
      readonly kind: 'broadcast-process';
      readonly broadcasts: BroadcastDescriptors;
    } & PerSubtask<BroadcastProcessFunction<any, any, any, any>>)
  | ({
      readonly kind: 'keyed-broadcast-process';
      readonly states: StateDescriptors;
      readonly broadcasts: BroadcastDescriptors;
    } & PerSubtask<KeyedBroadcastProcessFunction<any, any, any, any, any, any>>)
  /** Keyed `reduce` without a window: the running reduction is emitted for each element. */
  | {
      readonly kind: 'reduce';
      readonly states: StateDescriptors;
      readonly reduce: (a: any, b: any) => any;
    }
  | {
      readonly kind: 'window';
      readonly assigner: WindowAssigner;
      readonly function: WindowFunction<any, any, any>;
      readonly options: WindowOptions<any>;
    }
  | {
      readonly kind: 'async-map';
      readonly asyncMap: (value: any) => Promise<unknown>;
      readonly ordered: boolean;
      readonly capacity: number;
      readonly timeoutMs: number;
      /** For the elements in flight, which are part of the checkpoint. */
      readonly element: Serializer<any>;
    }
  | { readonly kind: 'sink'; readonly sink: Sink<any> };

/** The key of an element. Must be pure and cheap: it is called once per record on the sending side. */
export type KeySelector = (value: any) => unknown;

/** How records get to the subtasks of the next operator; Flink's names. */
export type Partitioner =
  /** To the subtask with the same number; chained where possible. */
  | { readonly kind: 'forward' }
  | { readonly kind: 'hash'; readonly key: KeySelector }
  | { readonly kind: 'rebalance' }
  | { readonly kind: 'broadcast' };

/** One edge into a node. `output` is undefined for the main output, else a side output's tag id. */
export interface StreamEdge {
  readonly from: string;
  readonly output: string | undefined;
  readonly partitioner: Partitioner;
  /** 0, or 1 for the second input of connected streams. Several edges may share an input: a union. */
  readonly input: 0 | 1;
}

/** A node of the stream graph: one operator with its stable name. */
export interface StreamNode {
  readonly uid: string;
  readonly spec: OperatorSpec;
  readonly edges: readonly StreamEdge[];
  /** Undefined: the job's. */
  readonly parallelism: number | undefined;
  /** The key selectors of inputs 0 and 1 where the operator is keyed; undefined entries are not keyed. */
  readonly keys: readonly (KeySelector | undefined)[];
  /** What the operator emits, if the job said so by a schema. */
  readonly element?: Serializer<any> | undefined;
  /** Default: `fail`. */
  readonly onError?: OnError | undefined;
}

/** All nodes in the order in which they were added; edges only point backwards. */
export interface StreamGraph {
  readonly jobName: string;
  readonly nodes: readonly StreamNode[];
}
