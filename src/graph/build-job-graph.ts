/**
 * Cuts a stream graph into vertices (chains of operators that call each other directly) and the
 * channels between them, as Flink's `StreamingJobGraphGenerator` does.
 *
 * An operator joins the chain of the operator before it if all of this holds; else it starts a vertex:
 *
 * - it has one edge, and that edge is `forward` (a union or a connected stream has several; `hash`,
 *   `rebalance` and `broadcast` always cut);
 * - both have the same parallelism (a forward edge between unequal ones becomes `rebalance`);
 * - it is no source, and no `async-map`: that one must be able to stop its input between two records.
 *
 * Always holds afterwards: only the head of a vertex has inputs from outside; every operator stands
 * in exactly one vertex; operators stand in the order of the stream graph, which is topological.
 */
import { assert } from '../common/assert.ts';
import { edgeId } from './edge-id.ts';
import type {
  ChainedOperator,
  JobEdge,
  JobGraph,
  JobGraphOptions,
  JobVertex,
} from './job-graph.ts';
import type { Partitioner, StreamEdge, StreamGraph, StreamNode } from './operator-spec.ts';
import { regionsOf } from './regions.ts';
import { validateStreamGraph } from './validate-stream-graph.ts';

/**
 * @throws {EngineError} `GRA-001` to `GRA-004` (`invalid`) for a graph that cannot run: see
 * `validateStreamGraph`.
 */
export function buildJobGraph(graph: StreamGraph, options: JobGraphOptions): JobGraph {
  validateStreamGraph(graph, options);
  const parallelismOf = (node: StreamNode) => node.parallelism ?? options.parallelism;
  const nodes = new Map(graph.nodes.map((node) => [node.uid, node]));
  const headOf = new Map<string, string>();
  for (const node of graph.nodes) {
    const behind = chainedBehind(node, nodes, parallelismOf);
    headOf.set(node.uid, behind === undefined ? node.uid : at(headOf, behind.from));
  }

  const chains = new Map<string, StreamNode[]>();
  for (const node of graph.nodes) {
    const head = at(headOf, node.uid);
    chains.set(head, [...(chains.get(head) ?? []), node]);
  }

  const edges = graph.nodes
    .filter((node) => headOf.get(node.uid) === node.uid)
    .flatMap((node) =>
      node.edges.map((edge) =>
        jobEdge(edge, node, at(headOf, edge.from), {
          from: parallelismOf(at(nodes, edge.from)),
          to: parallelismOf(node),
        }),
      ),
    );

  const vertices = [...chains].map(([id, chain]): JobVertex => {
    const head = at(nodes, id);
    return {
      id,
      name: chain.map((node) => node.uid).join(' -> '),
      parallelism: parallelismOf(head),
      operators: chain.map((node) => chainedOperator(node, chain)),
      inputs: edges.filter((edge) => edge.toVertex === id),
      outputs: edges.filter((edge) => edge.fromVertex === id),
    };
  });
  return {
    jobName: graph.jobName,
    maxParallelism: options.maxParallelism,
    vertices,
    regions: regionsOf(vertices, edges),
  };
}

/** The edge by which `node` joins the chain before it; undefined if it starts a vertex. */
function chainedBehind(
  node: StreamNode,
  nodes: ReadonlyMap<string, StreamNode>,
  parallelismOf: (node: StreamNode) => number,
): StreamEdge | undefined {
  const [edge, second] = node.edges;
  if (edge === undefined || second !== undefined) return undefined;
  if (node.spec.kind === 'source' || node.spec.kind === 'async-map') return undefined;
  const chains =
    edge.partitioner.kind === 'forward' &&
    edge.input === 0 &&
    parallelismOf(at(nodes, edge.from)) === parallelismOf(node);
  return chains ? edge : undefined;
}

/** `node` in its chain, with the links that leave it for others of the same chain. */
function chainedOperator(node: StreamNode, chain: readonly StreamNode[]): ChainedOperator {
  const [head] = chain;
  return {
    node,
    links: chain
      .filter((other) => other !== head && other.edges[0]?.from === node.uid)
      .map((other) => ({ to: other.uid, output: other.edges[0]?.output })),
  };
}

function jobEdge(
  edge: StreamEdge,
  node: StreamNode,
  fromVertex: string,
  parallelism: { readonly from: number; readonly to: number },
): JobEdge {
  const rescales = edge.partitioner.kind === 'forward' && parallelism.from !== parallelism.to;
  const partitioner: Partitioner = rescales ? { kind: 'rebalance' } : edge.partitioner;
  return {
    id: edgeId(edge, node.uid),
    fromVertex,
    fromOperator: edge.from,
    output: edge.output,
    toVertex: node.uid,
    input: edge.input,
    partitioner,
  };
}

function at<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  assert(value !== undefined, `the graph was validated, but ${String(key)} is not in it`);
  return value;
}
