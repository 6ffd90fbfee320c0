/**
 * The plan: a job graph as data, without its functions. The JobManager stores it, every process that
 * builds the job again compares its hash, checkpoints carry the hash, and upgrades are checked
 * against it.
 *
 * The hash covers everything in the plan: uids, kinds, topology, parallelism, state schemas and the
 * settings given. Bodies of functions are not in it: a closure has no stable text.
 */
import type { StateSchema } from '../contracts/snapshots.ts';
import type { Trigger, WindowAssigner } from '../contracts/windows.ts';
import type { WatermarkStrategy } from '../contracts/watermark-strategy.ts';
import type { TypeSchema } from '../serde/type-schema.ts';
import { canonicalJson } from './canonical-json.ts';
import type { JobEdge, JobGraph, JobVertex } from './job-graph.ts';
import type { OperatorSpec, Partitioner, StreamNode } from './operator-spec.ts';
import { stateSchemasOf } from './operator-states.ts';
import { sha256Hex } from './sha256.ts';

export const PLAN_VERSION = 1;

export type PlanSettings = Readonly<Record<string, string | number | boolean>>;

/** JSON, as it stands. */
export interface Plan {
  readonly planVersion: typeof PLAN_VERSION;
  readonly jobName: string;
  /** SHA-256 of the canonical JSON of the rest, in hex. */
  readonly hash: string;
  readonly maxParallelism: number;
  /** Those that change what the job's results or snapshots are; the caller chooses. */
  readonly settings: PlanSettings;
  /** In topological order. */
  readonly operators: readonly PlanOperator[];
  /** Chains: each with the uids of its operators, head first. */
  readonly vertices: readonly { readonly id: string; readonly operators: readonly string[] }[];
  readonly regions: readonly (readonly string[])[];
}

export interface PlanOperator {
  readonly uid: string;
  readonly kind: OperatorSpec['kind'];
  readonly parallelism: number;
  readonly inputs: readonly PlanInput[];
  readonly states: readonly StateSchema[];
  /** What the operator emits, where the job has said so. */
  readonly element?: TypeSchema;
  /** Only where it is not `fail`. */
  readonly onError?: 'dead-letter';
  readonly detail?: PlanDetail;
}

export interface PlanInput {
  readonly from: string;
  readonly output?: string;
  readonly input: 0 | 1;
  /** `chained`: a direct call inside a vertex. */
  readonly partitioner: 'chained' | Partitioner['kind'];
}

/** What matters of an operator beside its kind and state. */
export type PlanDetail =
  | {
      readonly kind: 'source';
      readonly source: string;
      readonly boundedness: 'bounded' | 'unbounded';
      readonly split: TypeSchema;
      readonly enumerator: TypeSchema;
      readonly watermarks: PlanWatermarks;
    }
  | { readonly kind: 'watermarks'; readonly watermarks: PlanWatermarks }
  | {
      readonly kind: 'window';
      readonly assigner: WindowAssigner;
      readonly function: 'aggregate' | 'reduce' | 'process';
      readonly trigger?: PlanTrigger;
      readonly allowedLatenessMs: number;
      readonly lateTag?: string;
    }
  | {
      readonly kind: 'async-map';
      readonly ordered: boolean;
      readonly capacity: number;
      readonly timeoutMs: number;
      readonly inFlight: TypeSchema;
    }
  | { readonly kind: 'sink'; readonly sink: string; readonly committable?: TypeSchema };

export interface PlanWatermarks {
  readonly kind: 'none' | 'bounded';
  readonly outOfOrdernessMs?: number;
  readonly idlenessMs?: number;
  /** The job gives timestamps; else they are the source's. */
  readonly hasTimestamps: boolean;
}

export type PlanTrigger =
  | { readonly kind: 'custom' }
  | { readonly kind: 'purging'; readonly trigger: PlanTrigger }
  | Exclude<Trigger, { readonly kind: 'custom' | 'purging' }>;

/** @param settings Settings that the workers must share. Keep secrets out: plans are shown. */
export function planOf(graph: JobGraph, settings: PlanSettings = {}): Plan {
  // Vertices and chains both stand in the order of the stream graph, so that this order is topological.
  const operators = graph.vertices.flatMap((vertex) =>
    vertex.operators.map(({ node }) => planOperator(node, vertex)),
  );
  const plan = {
    planVersion: PLAN_VERSION,
    jobName: graph.jobName,
    maxParallelism: graph.maxParallelism,
    settings,
    operators,
    vertices: graph.vertices.map((vertex) => ({
      id: vertex.id,
      operators: vertex.operators.map(({ node }) => node.uid),
    })),
    regions: graph.regions,
  } as const;
  return { ...plan, hash: hashOf(plan) };
}

/** The hash that a plan's content has; equal to `plan.hash` unless somebody changed it. */
export function planHash({ hash: _hash, ...content }: Plan): string {
  return hashOf(content);
}

function hashOf(content: Omit<Plan, 'hash'>): string {
  return sha256Hex(canonicalJson(content));
}

function planOperator(node: StreamNode, vertex: JobVertex): PlanOperator {
  const isHead = vertex.operators[0]?.node === node;
  const detail = detailOf(node.spec);
  return {
    uid: node.uid,
    kind: node.spec.kind,
    parallelism: vertex.parallelism,
    inputs: isHead
      ? vertex.inputs.map(crossing)
      : node.edges.map(({ from, output, input }) => ({
          from,
          ...(output !== undefined && { output }),
          input,
          partitioner: 'chained',
        })),
    states: stateSchemasOf(node.spec),
    ...(node.element && { element: node.element.describe() }),
    ...(node.onError === 'dead-letter' && { onError: node.onError }),
    ...(detail && { detail }),
  };
}

function crossing({ fromOperator, output, input, partitioner }: JobEdge): PlanInput {
  return {
    from: fromOperator,
    ...(output !== undefined && { output }),
    input,
    partitioner: partitioner.kind,
  };
}

function detailOf(spec: OperatorSpec): PlanDetail | undefined {
  switch (spec.kind) {
    case 'source':
      return {
        kind: 'source',
        source: spec.source.kind,
        boundedness: spec.source.boundedness,
        split: spec.source.splits.describe(),
        enumerator: spec.source.enumeratorState.describe(),
        watermarks: watermarksOf(spec.watermarks),
      };
    case 'assign-timestamps':
      return { kind: 'watermarks', watermarks: watermarksOf(spec.watermarks) };
    case 'window': {
      const { trigger, allowedLatenessMs, lateTagId } = spec.options;
      return {
        kind: 'window',
        assigner: spec.assigner,
        function: spec.function.kind,
        ...(trigger && { trigger: triggerOf(trigger) }),
        allowedLatenessMs,
        ...(lateTagId !== undefined && { lateTag: lateTagId }),
      };
    }
    case 'async-map': {
      const { ordered, capacity, timeoutMs, element } = spec;
      return { kind: 'async-map', ordered, capacity, timeoutMs, inFlight: element.describe() };
    }
    case 'sink': {
      const { kind, committables } = spec.sink;
      return {
        kind: 'sink',
        sink: kind,
        ...(committables && { committable: committables.describe() }),
      };
    }
    default:
      return undefined;
  }
}

function watermarksOf({
  timestamp,
  generator,
  idlenessMs,
}: WatermarkStrategy<unknown>): PlanWatermarks {
  return {
    ...generator,
    ...(idlenessMs !== undefined && { idlenessMs }),
    hasTimestamps: timestamp !== undefined,
  };
}

function triggerOf(trigger: Trigger<unknown>): PlanTrigger {
  if (trigger.kind === 'custom') return { kind: 'custom' };
  if (trigger.kind === 'purging') return { kind: 'purging', trigger: triggerOf(trigger.trigger) };
  return trigger;
}
