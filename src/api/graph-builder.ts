import { EngineError } from '../common/errors.ts';
import { assert } from '../common/assert.ts';
import { DEAD_LETTERS_TAG, type OnError } from '../contracts/dead-letter.ts';
import type { OperatorSpec, StreamGraph, StreamNode } from '../graph/operator-spec.ts';
import { requireUid } from './checks.ts';
import { deadLettersUnread, noDeadLettersOf } from './dead-letter-errors.ts';

/** A node as the API adds it. */
export type NewNode = Omit<StreamNode, 'parallelism'> & { readonly parallelism?: number };

/**
 * Collects the operators of one job: the one thing that changes while a job is described. Streams
 * are values that refer to operators in it by uid.
 */
export class GraphBuilder {
  readonly #jobName: string;
  readonly #maxParallelism: () => number;
  readonly #nodes = new Map<string, StreamNode>();
  #sealed = false;

  constructor(jobName: string, maxParallelism: () => number) {
    this.#jobName = jobName;
    this.#maxParallelism = maxParallelism;
  }

  /** @throws {EngineError} `API-001`, `API-002`, `API-015` */
  add(node: NewNode): void {
    this.requireOpen(node.uid);
    requireUid(node.uid);
    const other = this.#nodes.get(node.uid);
    if (other !== undefined) {
      throw new EngineError('API-002', 'invalid', 'two operators have one uid', {
        details: { uid: node.uid, first: other.spec.kind, second: node.spec.kind },
        hint: 'Give each operator a uid of its own: its state in a snapshot is found by it.',
      });
    }
    this.#nodes.set(node.uid, { ...node, parallelism: node.parallelism });
  }

  /** @throws {EngineError} `API-010`, `API-015` */
  setParallelism(uid: string, parallelism: number): void {
    this.requireOpen(uid);
    this.requireParallelism(uid, parallelism);
    const node = this.#nodes.get(uid);
    assert(node !== undefined, `stream of an unknown operator ${uid}`);
    this.#nodes.set(uid, { ...node, parallelism });
  }

  /** @throws {EngineError} `DLQ-001`, `API-015` */
  setOnError(uid: string, onError: OnError): void {
    this.requireOpen(uid);
    const node = this.#nodes.get(uid);
    assert(node !== undefined, `stream of an unknown operator ${uid}`);
    if (onError === 'dead-letter' && !HAS_DEAD_LETTERS.has(node.spec.kind)) {
      throw noDeadLettersOf(uid, node.spec.kind);
    }
    this.#nodes.set(uid, { ...node, onError });
  }

  /** The operators whose failed records are dead letters, so far. */
  withDeadLetters(): readonly string[] {
    const nodes = [...this.#nodes.values()];
    return nodes.filter(({ onError }) => onError === 'dead-letter').map(({ uid }) => uid);
  }

  /** @throws {EngineError} `API-010` */
  requireParallelism(uid: string, parallelism: number): void {
    const most = this.#maxParallelism();
    if (Number.isInteger(parallelism) && parallelism >= 1 && parallelism <= most) return;
    throw new EngineError('API-010', 'invalid', 'parallelism does not fit', {
      details: { uid, parallelism: String(parallelism), least: 1, most },
      hint: 'Give a whole number from 1 to maxParallelism, or raise maxParallelism before there is state.',
    });
  }

  /** After the job function has returned, nothing can be added any more. @throws {EngineError} `API-015` */
  requireOpen(uid: string): void {
    if (!this.#sealed) return;
    throw new EngineError('API-015', 'invalid', 'the job is already described', {
      details: { uid, job: this.#jobName },
      hint: 'Build the whole graph while the function of defineJob runs; it must not be async.',
    });
  }

  /** @throws {EngineError} `API-010`, `API-022`, `DLQ-002` */
  seal(jobName: string): StreamGraph {
    this.#sealed = true;
    if (this.#nodes.size === 0) {
      throw new EngineError('API-022', 'invalid', 'the job has no operators', {
        details: { job: jobName },
        hint: 'Start with env.fromSource and end each stream with sinkTo.',
      });
    }
    for (const node of this.#nodes.values()) {
      if (node.parallelism !== undefined) this.requireParallelism(node.uid, node.parallelism);
    }
    this.#requireDeadLettersRead();
    return Object.freeze({
      jobName,
      nodes: Object.freeze([...this.#nodes.values()]),
    });
  }

  /** Letters that nobody reads would be lost without a trace. */
  #requireDeadLettersRead(): void {
    const edges = [...this.#nodes.values()].flatMap((node) => node.edges);
    const read = edges.filter(({ output }) => output === DEAD_LETTERS_TAG);
    for (const uid of this.withDeadLetters()) {
      if (!read.some(({ from }) => from === uid)) throw deadLettersUnread(uid);
    }
  }
}

/** Operators that can take back all that a record has done when its function throws. */
const HAS_DEAD_LETTERS: ReadonlySet<OperatorSpec['kind']> = new Set<OperatorSpec['kind']>([
  'map',
  'filter',
  'flat-map',
  'process',
  'keyed-process',
  'async-map',
]);
