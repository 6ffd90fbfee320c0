/**
 * The operators of one vertex, linked: records go through generated code (`codegen-chain.ts`),
 * watermarks and statuses through here, both to the writers at the chain's ends.
 *
 * Always holds: watermarks only grow at each position; an operator that passed one on has emitted
 * everything that belongs before it.
 */
import { assert } from '../common/assert.ts';
import type { JobVertex } from '../graph/job-graph.ts';
import type { KeyedStateBackend } from '../state/keyed-state-backend.ts';
import type { ChannelWriter, RecordBatch } from './channel.ts';
import type { ChainEdge, ChainPosition } from './chain-plan.ts';
import { generateChain, type GeneratedChain } from './codegen-chain.ts';
import type { Control } from './element.ts';
import { Moment } from './inline.ts';
import type { FlowControl, Operator, OperatorOutput } from './operator.ts';

/** The writers of one output edge. */
export interface TaskOutput {
  /** The edge's id in the job graph. */
  readonly edgeId: string;
  /** One per receiving subtask, in their order; for a forward edge the one with our own number. */
  readonly writers: readonly ChannelWriter[];
}

export interface ChainOptions {
  readonly vertex: JobVertex;
  readonly maxParallelism: number;
  /** In the order of `vertex.operators`, as the next. */
  readonly operators: readonly Operator[];
  readonly backends: readonly (KeyedStateBackend | undefined)[];
  readonly outputs: readonly TaskOutput[];
  readonly flow: FlowControl;
  readonly check: ((value: unknown) => unknown) | undefined;
  readonly print: ((text: string) => void) | undefined;
}

export class Chain {
  readonly outputs: readonly OperatorOutput[];
  readonly #uids: readonly string[];
  readonly #operators: readonly Operator[];
  /** Makes event time itself, so that what comes from before does not count. */
  readonly #makesTime: readonly boolean[];
  readonly #positions: readonly ChainPosition[];
  readonly #generated: GeneratedChain;
  readonly #flow: FlowControl;
  readonly #writers: readonly ChannelWriter[];
  readonly #watermarksIn: Float64Array;
  readonly #watermarksOut: Float64Array;
  readonly #idle: boolean[];

  constructor(options: ChainOptions) {
    const { vertex, operators, flow } = options;
    this.#operators = operators;
    this.#flow = flow;
    this.#uids = vertex.operators.map(({ node }) => node.uid);
    this.#makesTime = vertex.operators.map(
      ({ node }) => node.spec.kind === 'source' || node.spec.kind === 'assign-timestamps',
    );
    this.#positions = positionsOf(options);
    this.#writers = options.outputs.flatMap(({ writers }) => writers);
    this.#watermarksIn = new Float64Array(operators.length).fill(-Infinity);
    this.#watermarksOut = new Float64Array(operators.length).fill(-Infinity);
    this.#idle = operators.map(() => false);
    this.#generated = generateChain(
      {
        name: vertex.name,
        positions: this.#positions,
        flow,
        maxParallelism: options.maxParallelism,
        hashedInputs: [hashedInput(vertex, 0), hashedInput(vertex, 1)],
        check: options.check,
      },
      options.print,
    );
    this.outputs = this.#generated.outputs.map((output, position) => ({
      ...output,
      moment: this.#at(position).moment,
      watermark: (watermarkMs) => {
        this.#emitWatermark(position, watermarkMs);
      },
      idle: (idle) => {
        this.#emitIdle(position, idle);
      },
    }));
  }

  /** Takes records of a batch from index `from` on; returns the index of the first one not taken. */
  runBatch(input: 0 | 1, batch: RecordBatch, from: number): number {
    const run = this.#generated.runBatch[input];
    assert(run !== undefined, `'${this.#uids[0] ?? ''}' has no input ${input}`);
    return run(batch, from);
  }

  /** The operator whose code runs now, or ran when an error was thrown. */
  currentUid(): string {
    return this.#uids[this.#generated.position()] ?? '';
  }

  /** What is called next is the operator at `position`. */
  enter(position: number): void {
    this.#generated.enter(position);
  }

  /** All inputs of the head have come so far in event time. */
  watermark(watermarkMs: number): void {
    this.#deliverWatermark(0, watermarkMs);
  }

  idle(idle: boolean): void {
    this.#deliverIdle(0, idle);
  }

  /** The watermark that a snapshot keeps for an operator; `-Infinity`: none yet. */
  watermarkMs(position: number): number {
    const watermarks = this.#makesTime[position] ? this.#watermarksOut : this.#watermarksIn;
    return watermarks[position] ?? -Infinity;
  }

  /** Puts restored watermarks in force, one per position, last operator first. */
  restoreWatermarks(restored: readonly number[]): void {
    for (let position = restored.length - 1; position >= 0; position--) {
      const watermarkMs = restored[position] ?? -Infinity;
      if (watermarkMs === -Infinity) continue;
      if (this.#makesTime[position]) this.#emitWatermark(position, watermarkMs);
      else this.#deliverWatermark(position, watermarkMs);
    }
  }

  /**
   * Goes on with what was interrupted, last operator first, so that what comes out finds its way
   * free. True when nothing is left; else `flow.stop` is set.
   */
  resume(): boolean {
    for (let position = this.#operators.length - 1; position >= 0; position--) {
      const operator = this.#operators[position];
      this.enter(position);
      if (operator?.resume?.() === false || this.#flow.stop) {
        this.#flow.stop = true;
        return false;
      }
    }
    return true;
  }

  /** Into all channels that leave the chain. */
  control(control: Control): void {
    for (const writer of this.#writers) writer.control(control);
  }

  flush(): void {
    for (const writer of this.#writers) writer.flush();
  }

  /** Of all channels that leave the chain: a record that is sent to several counts as often. */
  recordsWritten(): number {
    let sum = 0;
    for (const writer of this.#writers) sum += writer.recordsWritten();
    return sum;
  }

  isWritable(): boolean {
    for (const writer of this.#writers) if (!writer.isWritable()) return false;
    return true;
  }

  #deliverWatermark(position: number, watermarkMs: number): void {
    if (watermarkMs <= (this.#watermarksIn[position] ?? Infinity)) return;
    this.#watermarksIn[position] = watermarkMs;
    const operator = this.#operators[position];
    if (operator?.processWatermark === undefined) {
      this.#emitWatermark(position, watermarkMs);
      return;
    }
    this.enter(position);
    operator.processWatermark(watermarkMs);
  }

  #emitWatermark(position: number, watermarkMs: number): void {
    if (watermarkMs <= (this.#watermarksOut[position] ?? Infinity)) return;
    this.#watermarksOut[position] = watermarkMs;
    const { links, edges } = this.#at(position);
    for (const { to } of links) this.#deliverWatermark(to, watermarkMs);
    toAll(edges, { kind: 'watermark', watermarkMs });
    this.enter(position);
  }

  #deliverIdle(position: number, idle: boolean): void {
    const operator = this.#operators[position];
    if (operator?.processIdle === undefined) {
      this.#emitIdle(position, idle);
      return;
    }
    this.enter(position);
    operator.processIdle(idle);
  }

  #emitIdle(position: number, idle: boolean): void {
    if (this.#idle[position] === idle) return;
    this.#idle[position] = idle;
    const { links, edges } = this.#at(position);
    for (const { to } of links) this.#deliverIdle(to, idle);
    toAll(edges, { kind: 'status', idle });
    this.enter(position);
  }

  #at(position: number): ChainPosition {
    const found = this.#positions[position];
    assert(found !== undefined, `a chain has no position ${position}`);
    return found;
  }
}

function toAll(edges: readonly ChainEdge[], control: Control): void {
  for (const { writers } of edges) for (const writer of writers) writer.control(control);
}

function positionsOf(options: ChainOptions): ChainPosition[] {
  const { vertex, operators, backends, outputs } = options;
  const writersOf = new Map(outputs.map(({ edgeId, writers }) => [edgeId, writers]));
  return vertex.operators.map(({ node, links }, position): ChainPosition => {
    const operator = operators[position];
    assert(operator !== undefined, `no operator was made for '${node.uid}'`);
    return {
      uid: node.uid,
      operator,
      moment: new Moment(),
      backend: backends[position],
      keys: node.keys,
      links: links.map(({ to, output }) => ({
        to: vertex.operators.findIndex((one) => one.node.uid === to),
        output,
      })),
      edges: vertex.outputs
        .filter(({ fromOperator }) => fromOperator === node.uid)
        .map(({ id, output, partitioner }) => {
          const writers = writersOf.get(id) ?? [];
          assert(writers.length > 0, `no writers for the edge ${id}`);
          return { id, output, partitioner, writers };
        }),
    };
  });
}

/** Whether all edges into an input of the head carry hashes of its key. */
function hashedInput(vertex: JobVertex, input: 0 | 1): boolean {
  const edges = vertex.inputs.filter((edge) => edge.input === input);
  return edges.length > 0 && edges.every(({ partitioner }) => partitioner.kind === 'hash');
}
