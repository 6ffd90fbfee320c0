import type { KeySelector, Partitioner } from '../graph/operator-spec.ts';
import type { ChannelWriter } from './channel.ts';
import type { HotBackend, Moment } from './inline.ts';
import type { FlowControl, Operator } from './operator.ts';

/** An edge that leaves the chain. */
export interface ChainEdge {
  readonly id: string;
  readonly output: string | undefined;
  readonly partitioner: Partitioner;
  /** One per receiving subtask, in their order; a forward edge has one. */
  readonly writers: readonly ChannelWriter[];
}

/** One operator of the chain, in topological order. */
export interface ChainPosition {
  readonly uid: string;
  readonly operator: Operator;
  readonly moment: Moment;
  /** Undefined: not keyed. */
  readonly backend: HotBackend | undefined;
  /** By input. */
  readonly keys: readonly (KeySelector | undefined)[];
  readonly links: readonly { readonly to: number; readonly output: string | undefined }[];
  readonly edges: readonly ChainEdge[];
}

export interface ChainPlan {
  readonly name: string;
  readonly positions: readonly ChainPosition[];
  readonly flow: FlowControl;
  readonly maxParallelism: number;
  /** By input of the head: the batches carry the hashes of the head's own key. */
  readonly hashedInputs: readonly boolean[];
  /** Check mode: each emitted value goes through it. */
  readonly check: ((value: unknown) => unknown) | undefined;
}
