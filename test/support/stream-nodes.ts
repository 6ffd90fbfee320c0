/** Nodes of stream graphs, written briefly. */
import type { Output } from '../../src/contracts/output.ts';
import type { SourceOutput, SourceReader, Source } from '../../src/contracts/source.ts';
import type { Sink, SinkWriter } from '../../src/contracts/sink.ts';
import type { WatermarkStrategy } from '../../src/contracts/watermark-strategy.ts';
import type {
  KeySelector,
  OperatorSpec,
  Partitioner,
  StreamEdge,
  StreamNode,
} from '../../src/graph/operator-spec.ts';
import { serializerOf } from '../../src/serde/structural-serializer.ts';

export const NO_WATERMARKS: WatermarkStrategy<unknown> = {
  timestamp: undefined,
  generator: { kind: 'none' },
  idlenessMs: undefined,
};

export function bounded(
  timestamp: ((value: never) => number) | undefined,
  outOfOrdernessMs = 0,
  idlenessMs?: number,
): WatermarkStrategy<unknown> {
  return {
    timestamp: timestamp as ((value: unknown) => number) | undefined,
    generator: { kind: 'bounded', outOfOrdernessMs },
    idlenessMs,
  };
}

interface NodeOptions {
  /** The node before; several: a union. */
  readonly from?: string | readonly string[];
  readonly by?: KeySelector;
  readonly partitioner?: Partitioner['kind'];
  readonly output?: string;
  readonly edges?: readonly StreamEdge[];
  readonly parallelism?: number;
}

export function node(uid: string, spec: OperatorSpec, options: NodeOptions = {}): StreamNode {
  const { from = [], by, output, parallelism } = options;
  const partitioner: Partitioner =
    by !== undefined
      ? { kind: 'hash', key: by }
      : ({ kind: options.partitioner ?? 'forward' } as Partitioner);
  const uids = typeof from === 'string' ? [from] : from;
  const edges =
    options.edges ??
    uids.map((each): StreamEdge => ({ from: each, output, partitioner, input: 0 }));
  return { uid, spec, edges, parallelism, keys: [by] };
}

export function flatMap(
  uid: string,
  from: string,
  fn: (value: never, out: Output<unknown>) => void,
): StreamNode {
  return node(
    uid,
    { kind: 'flat-map', flatMap: fn as (value: unknown, out: Output<unknown>) => void },
    { from },
  );
}

/** Collects what comes, with its timestamps. */
export class CollectingWriter implements SinkWriter<unknown, string> {
  readonly values: unknown[] = [];
  readonly timestamps: (number | undefined)[] = [];
  /** What was written since the last barrier. */
  #part: unknown[] = [];
  /** By checkpoint: what was prepared. */
  readonly prepared: { checkpointId: number; values: unknown[] }[] = [];

  write(value: unknown, timestampMs: number | undefined): void | Promise<void> {
    this.values.push(value);
    this.timestamps.push(timestampMs);
    this.#part.push(value);
  }

  async prepareCommit(checkpointId: number): Promise<string[]> {
    const values = this.#part;
    this.#part = [];
    this.prepared.push({ checkpointId, values });
    return values.length === 0 ? [] : [JSON.stringify(values)];
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

export function sinkTo(
  uid: string,
  from: string,
  writer: SinkWriter<unknown, string>,
  options: NodeOptions = {},
): StreamNode {
  const sink: Sink<unknown, string> = {
    kind: 'test',
    committables: serializerOf({ kind: 'string' }),
    writer: () => writer,
  };
  return node(uid, { kind: 'sink', sink: sink as Sink<unknown> }, { from, ...options });
}

/** One element of a scripted source; its split is its own affair. */
export interface Scripted {
  readonly value: unknown;
  readonly timestampMs?: number;
  readonly split?: string;
}

/** A source that a test feeds by hand; each subtask has its own queue. */
export class ScriptedSource {
  readonly readers: ScriptedReader[] = [];
  readonly source: Source<unknown, number, null>;

  constructor(boundedness: 'bounded' | 'unbounded' = 'bounded') {
    this.source = {
      kind: 'scripted',
      boundedness,
      splits: serializerOf({ kind: 'float64' }),
      enumeratorState: serializerOf({ kind: 'null' }),
      splitId: (split) => `only-${split}`,
      enumerator: () => ({
        start: async () => undefined,
        splitRequested: () => undefined,
        snapshot: () => null,
        close: async () => undefined,
      }),
      reader: ({ subtask }) => this.reader(subtask),
    };
  }

  reader(subtask: number): ScriptedReader {
    const reader = this.readers[subtask] ?? new ScriptedReader();
    this.readers[subtask] = reader;
    return reader;
  }
}

export class ScriptedReader implements SourceReader<unknown, number> {
  readonly #queue: (Scripted | { readonly finished: string })[] = [];
  #position = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  closed = false;

  push(...elements: readonly (Scripted | { readonly finished: string })[]): void {
    this.#queue.push(...elements);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  start(): void {
    // Nothing to open.
  }

  poll(out: SourceOutput<unknown>, limit: number): 'more' | 'later' | 'end' {
    for (let i = 0; i < limit; i++) {
      const next = this.#queue[this.#position];
      if (next === undefined) return this.#ended ? 'end' : 'later';
      this.#position++;
      if ('finished' in next) out.splitFinished(next.finished);
      else if (!out.emit(next.value, next.split ?? 'only-0', next.timestampMs)) return 'more';
    }
    return 'more';
  }

  available(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  addSplits(splits: readonly number[]): void {
    this.#position = splits[0] ?? 0;
  }

  noMoreSplits(): void {
    // It ends by `end`.
  }

  snapshot(): number[] {
    return [this.#position];
  }

  async close(): Promise<void> {
    this.closed = true;
    this.#wake?.();
  }
}
