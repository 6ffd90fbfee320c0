import type { JobView } from '../cluster/dispatcher/cluster.ts';
import type { ExecutionEdge, ExecutionVertex } from '../graph/execution-plan.ts';
import { flinkId } from './flink-ids.ts';

const SHIP_STRATEGY: Readonly<Record<ExecutionEdge['partitioner'], string>> = {
  forward: 'FORWARD',
  hash: 'HASH',
  rebalance: 'REBALANCE',
  broadcast: 'BROADCAST',
};

/** The job's graph as Flink draws it: what is downstream first. */
export function planBody({ jobId, jobName, plan }: JobView): object {
  return {
    jid: jobId,
    name: jobName,
    type: 'STREAMING',
    nodes: plan.vertices.map(planNode).reverse(),
  };
}

function planNode({ id, parallelism, operators, inputs }: ExecutionVertex): object {
  return {
    id: flinkId(id),
    operator: '',
    parallelism,
    operator_strategy: '',
    description: operators.map(({ uid }, at) => `${at > 0 ? '+- ' : ''}${uid}<br/>`).join(''),
    optimizer_properties: {},
    ...(inputs.length === 0 ? {} : { inputs: inputs.map(planInput) }),
  };
}

function planInput({ fromVertex, partitioner }: ExecutionEdge, num: number): object {
  return {
    id: flinkId(fromVertex),
    num,
    exchange: 'pipelined_bounded',
    ship_strategy: SHIP_STRATEGY[partitioner],
  };
}
