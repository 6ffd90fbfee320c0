import type { Partitioner, StreamNode } from './operator-spec.ts';

/**
 * The stream graph cut into chains: a vertex is a chain of operators that run in one task, calling
 * each other directly; edges between vertices are channels.
 */
export interface JobGraph {
  readonly jobName: string;
  readonly maxParallelism: number;
  readonly vertices: readonly JobVertex[];
  /** Connected components over the edges: what must be restarted together. Vertex ids. */
  readonly regions: readonly (readonly string[])[];
}

export interface JobGraphOptions {
  /** Of every operator that has none of its own. At least 1, at most `maxParallelism`. */
  readonly parallelism: number;
  /** Key groups of the job; never changes over the life of its state. At most 32768. */
  readonly maxParallelism: number;
}

export interface JobVertex {
  /** The uid of the chain's first operator. */
  readonly id: string;
  /** For people: the uids joined by ` -> `. */
  readonly name: string;
  readonly parallelism: number;
  /** In topological order; the head is first. The head has the vertex's inputs. */
  readonly operators: readonly ChainedOperator[];
  readonly inputs: readonly JobEdge[];
  readonly outputs: readonly JobEdge[];
}

export interface ChainedOperator {
  readonly node: StreamNode;
  /** Links to later operators of the same chain; output undefined is the main output. */
  readonly links: readonly { readonly to: string; readonly output: string | undefined }[];
}

/** An exchange between two vertices. */
export interface JobEdge {
  /** Unique and stable: `<from operator>[/<output>]-><to operator>#<input>`. */
  readonly id: string;
  readonly fromVertex: string;
  /** The operator in the chain whose output it is. */
  readonly fromOperator: string;
  readonly output: string | undefined;
  readonly toVertex: string;
  readonly input: 0 | 1;
  readonly partitioner: Partitioner;
}
