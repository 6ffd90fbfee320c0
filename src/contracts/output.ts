import type { Serializer } from '../serde/serializer.ts';

/** Where a function puts its results. Emitted values must not be changed afterwards. */
export interface Output<T> {
  /** Emits with the timestamp of the element (or timer) that is being processed. */
  emit(value: T): void;
  /** Emits with a timestamp of its own, in milliseconds since 1970. */
  emitAt(value: T, timestampMs: number): void;
}

/** Names a side output. Two tags are the same if their ids are. */
export interface OutputTag<T> {
  readonly kind: 'output-tag';
  readonly id: string;
  /** How its elements are stored where a later operator keeps them. */
  readonly element?: Serializer<T> | undefined;
  /** Only for the compiler: the element type. */
  readonly type?: T;
}

/** Emits to a side output. `NoInfer`: the tag alone says what the value must be. */
export type SideOutput = <T>(tag: OutputTag<T>, value: NoInfer<T>) => void;
