/**
 * What the chain's generator knows of the hot operators, so that it can write their work into the
 * chain's text instead of calling `processElement`. The functions become constants of that text.
 */
import type { ReducingState } from '../contracts/state.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- user functions are untyped inside the engine. */

/** The moment of the element or timer that is being processed; read by contexts and outputs. */
export class Moment {
  /** `NaN`: it has none. A field that only ever holds doubles, so V8 writes it in place. */
  timestampMs = Number.NaN;
}

/** What one watermark generator has seen. */
export class WatermarkProgress {
  maxTimestampMs = -Infinity;
  /** Where idleness is watched: an element came since the watcher last looked. */
  active = true;
  readonly #activated: (progress: WatermarkProgress) => void;

  /** @param activated Told of the first element after the watcher has looked. */
  constructor(activated: (progress: WatermarkProgress) => void) {
    this.#activated = activated;
  }

  activate(): void {
    this.active = true;
    this.#activated(this);
  }
}

/** The split whose elements are being read, and its progress. */
export interface SplitProgress {
  splitId: string | undefined;
  progress: WatermarkProgress;
  /** Elements emitted by this execution; counted by the generated code. */
  recordsRead: number;
  /** Makes `splitId` the current one. */
  select(splitId: string): void;
  finished(splitId: string): void;
}

export interface TimestampShape {
  /** Undefined: the element keeps the timestamp it has. */
  readonly timestamp: ((value: any) => number) | undefined;
  readonly hasWatermarks: boolean;
  readonly hasIdleness: boolean;
}

export type Inline =
  | ({ readonly kind: 'source'; readonly splits: SplitProgress } & TimestampShape)
  | { readonly kind: 'map'; readonly map: (value: any) => unknown }
  | { readonly kind: 'filter'; readonly filter: (value: any) => boolean }
  /** Calls `flatMap(value, output.user)`. */
  | { readonly kind: 'flat-map'; readonly flatMap: (value: any, out: any) => void }
  | ({ readonly kind: 'assign-timestamps'; readonly progress: WatermarkProgress } & TimestampShape)
  /** Calls `process.processElement(value, context)`. */
  | {
      readonly kind: 'process';
      readonly process: { processElement(value: any, context: any): unknown };
      readonly context: object;
    }
  /** As `process`, with the current key in `context.key`. */
  | {
      readonly kind: 'keyed-process';
      readonly process: { processElement(value: any, context: any): unknown };
      readonly context: { key: unknown };
    }
  /** Adds the element to the state and emits what it is then. */
  | { readonly kind: 'reduce'; readonly state: ReducingState<any> }
  | {
      readonly kind: 'sink';
      readonly writer: { write(value: any, timestampMs: number | undefined): unknown };
      readonly queue: WriteQueue;
    };

/** What has to wait while a sink's write is under way. */
export interface WriteQueue {
  /** Elements go to `later` instead of to the writer. */
  busy: boolean;
  later(value: unknown, timestampMs: number): void;
  /** Gets what `write` returned, if that is not nothing. */
  wait(writing: PromiseLike<void>): void;
}

/** The part of a keyed backend that a chain calls for each record. */
export type HotBackend = Pick<KeyedStateBackend, 'setCurrentKey'>;
