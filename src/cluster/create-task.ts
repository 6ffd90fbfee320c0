import type { SnapshotLocation } from '../checkpoint/coordinator-types.ts';
import type { CheckpointBarrier } from '../contracts/snapshots.ts';
import type { World } from '../contracts/source.ts';
import type { Random } from '../common/random.ts';
import type { JobGraph, JobVertex } from '../graph/job-graph.ts';
import { createOperator } from '../operators/registry.ts';
import type { JobMasterGateway, TaskId, TaskRestore } from '../runtime/gateways.ts';
import { Task } from '../runtime/task.ts';
import type { TaskSettings } from '../runtime/task-options.ts';
import { HashmapBackend } from '../state/hashmap-backend.ts';
import type { JobStore } from './job-store.ts';
import type { LocalExchange } from './local-exchange.ts';

export interface CreateTaskOptions {
  readonly id: TaskId;
  readonly vertex: JobVertex;
  readonly jobGraph: JobGraph;
  readonly world: World;
  readonly exchange: LocalExchange;
  readonly jobMaster: JobMasterGateway;
  readonly store: JobStore;
  readonly settings: TaskSettings;
  readonly restore: TaskRestore | undefined;
  readonly locationOf: (barrier: CheckpointBarrier) => SnapshotLocation;
  readonly printChain: ((text: string) => void) | undefined;
  readonly random: Random | undefined;
}

/** A task with everything that it needs of this process. */
export function createTask(options: CreateTaskOptions): Task {
  const { id, vertex, jobGraph, world, exchange, jobMaster, store } = options;
  return new Task({
    id,
    vertex,
    jobName: jobGraph.jobName,
    maxParallelism: jobGraph.maxParallelism,
    writerId: store.writerId(id),
    world,
    jobMaster,
    inputs: vertex.inputs.map((edge) => ({
      edgeId: edge.id,
      readers: exchange.inputsOf(edge, id.subtask).map(({ reader }) => reader),
    })),
    outputs: vertex.outputs.map((edge) => ({
      edgeId: edge.id,
      writers: exchange.outputsOf(edge, id.subtask).map(({ writer }) => writer),
    })),
    createOperator,
    createKeyedBackend: (backend) => new HashmapBackend(backend),
    snapshotTarget: (barrier, uid) =>
      store.snapshotTarget(barrier, options.locationOf(barrier), {
        uid,
        subtask: id.subtask,
        attempt: id.attempt,
      }),
    restore: options.restore,
    settings: options.settings,
    random: options.random,
    printChain: options.printChain,
  });
}
