import { EngineError } from '../common/errors.ts';
import { MAX_PARALLELISM_LIMIT } from '../common/key-groups.ts';
import { edgeId } from './edge-id.ts';
import type { JobGraphOptions } from './job-graph.ts';
import type { StreamGraph, StreamNode } from './operator-spec.ts';

/**
 * Refuses what could not run. The API refuses most of it earlier, where the call stands; here it is
 * refused for graphs from anywhere.
 *
 * @throws {EngineError} `GRA-001` (`invalid`) if a uid stands twice.
 * @throws {EngineError} `GRA-002` (`invalid`) if an edge comes from no earlier operator.
 * @throws {EngineError} `GRA-003` (`invalid`) if a parallelism does not fit.
 * @throws {EngineError} `GRA-004` (`invalid`) if an operator with keyed state has an input without a key.
 * @throws {EngineError} `GRA-005` (`invalid`) if a source has an edge or another operator has none.
 * @throws {EngineError} `GRA-006` (`invalid`) if an edge stands twice.
 * @throws {EngineError} `GRA-007` (`invalid`) if the number of key groups does not fit.
 */
export function validateStreamGraph(graph: StreamGraph, options: JobGraphOptions): void {
  const { maxParallelism } = options;
  if (!isWithin(maxParallelism, MAX_PARALLELISM_LIMIT)) {
    throw new EngineError('GRA-007', 'invalid', 'maxParallelism does not fit', {
      details: { maxParallelism, least: 1, most: MAX_PARALLELISM_LIMIT },
      hint: 'Leave maxParallelism out, or give a whole number from 1 to 32768, for example 128.',
    });
  }
  requireParallelism(options.parallelism, maxParallelism, {});
  const earlier = new Set<string>();
  for (const node of graph.nodes) {
    if (earlier.has(node.uid)) {
      throw new EngineError('GRA-001', 'invalid', 'two operators have one uid', {
        details: { uid: node.uid },
        hint: 'Give each operator a uid of its own: its state is found by it.',
      });
    }
    requireEdges(node, earlier);
    requireKeys(node);
    if (node.parallelism !== undefined) {
      requireParallelism(node.parallelism, maxParallelism, { uid: node.uid });
    }
    earlier.add(node.uid);
  }
}

function requireEdges(node: StreamNode, earlier: ReadonlySet<string>): void {
  const isSource = node.spec.kind === 'source';
  if (isSource !== (node.edges.length === 0)) {
    throw new EngineError('GRA-005', 'invalid', 'only sources are without an input', {
      details: { uid: node.uid, kind: node.spec.kind, inputs: node.edges.length },
      hint: 'Build the graph with env.fromSource and the streams it returns.',
    });
  }
  const ids = new Set<string>();
  for (const edge of node.edges) {
    const id = edgeId(edge, node.uid);
    if (!earlier.has(edge.from)) {
      throw new EngineError('GRA-002', 'invalid', 'an edge comes from no earlier operator', {
        details: { uid: node.uid, from: edge.from },
        hint: 'Add operators in the order in which the data flows.',
      });
    }
    if (ids.has(id)) {
      throw new EngineError('GRA-006', 'invalid', 'an operator reads one stream twice', {
        details: { uid: node.uid, edge: id },
        hint: 'Put a map between, or leave one of the two out of the union.',
      });
    }
    ids.add(id);
  }
}

function requireKeys(node: StreamNode): void {
  for (const input of keyedInputsOf(node)) {
    const edges = node.edges.filter((edge) => edge.input === input);
    const isKeyed = edges.every((edge) => edge.partitioner.kind === 'hash');
    if (node.keys[input] !== undefined && isKeyed) continue;
    throw new EngineError('GRA-004', 'invalid', 'keyed state needs a keyed input', {
      details: { uid: node.uid, kind: node.spec.kind, input },
      hint: 'Call keyBy before this operator.',
    });
  }
}

/** The inputs whose elements set the key of the operator's state. */
function keyedInputsOf(node: StreamNode): readonly number[] {
  switch (node.spec.kind) {
    case 'keyed-process':
    case 'keyed-broadcast-process':
    case 'reduce':
    case 'window':
      return [0];
    case 'keyed-co-process':
      return [0, 1];
    default:
      return [];
  }
}

function requireParallelism(
  parallelism: number,
  maxParallelism: number,
  where: Readonly<Record<string, string>>,
): void {
  if (isWithin(parallelism, maxParallelism)) return;
  throw new EngineError('GRA-003', 'invalid', 'parallelism does not fit', {
    details: { ...where, parallelism, least: 1, most: maxParallelism },
    hint: 'Give a whole number from 1 to maxParallelism; maxParallelism is the number of key groups.',
  });
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= most;
}
