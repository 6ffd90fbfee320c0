import type { JobGraph } from './job-graph.ts';
import type { OperatorSpec, Partitioner } from './operator-spec.ts';

/**
 * A job graph as plain data: what the JobManager must know of a job to run it without ever loading
 * its code. Smaller than the `Plan`, which is for people, hashes and upgrade checks.
 */
export interface ExecutionPlan {
  readonly jobName: string;
  readonly maxParallelism: number;
  /** In topological order. */
  readonly vertices: readonly ExecutionVertex[];
  /** What must be restarted together. Vertex ids. */
  readonly regions: readonly (readonly string[])[];
}

export interface ExecutionVertex {
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly parallelism: number;
  /** In the order of the chain; a source is always the first. */
  readonly operators: readonly ExecutionOperator[];
  readonly inputs: readonly ExecutionEdge[];
}

export interface ExecutionOperator {
  readonly uid: string;
  readonly kind: OperatorSpec['kind'];
}

export interface ExecutionEdge {
  readonly id: string;
  readonly fromVertex: string;
  readonly toVertex: string;
  readonly partitioner: Partitioner['kind'];
}

export function executionPlanOf(graph: JobGraph): ExecutionPlan {
  const { jobName, maxParallelism, regions } = graph;
  const vertices = graph.vertices.map(({ id, name, parallelism, operators, inputs }) => ({
    id,
    name,
    parallelism,
    operators: operators.map(({ node }) => ({ uid: node.uid, kind: node.spec.kind })),
    inputs: inputs.map((edge) => ({
      id: edge.id,
      fromVertex: edge.fromVertex,
      toVertex: edge.toVertex,
      partitioner: edge.partitioner.kind,
    })),
  }));
  return { jobName, maxParallelism, vertices, regions };
}

/** Subtasks of the widest vertex: as many slots are needed, since slots are shared. */
export function slotsNeeded({ vertices }: ExecutionPlan): number {
  return Math.max(0, ...vertices.map(({ parallelism }) => parallelism));
}
