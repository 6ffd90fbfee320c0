import type { Random } from '../common/random.ts';
import type { World } from '../contracts/source.ts';
import type { JobEdge, JobGraph, JobVertex } from '../graph/job-graph.ts';
import { createOperator } from '../operators/registry.ts';
import type { ChannelReader, ChannelWriter } from '../runtime/channel.ts';
import type { JobMasterGateway, TaskId, TaskRestore } from '../runtime/gateways.ts';
import { Task } from '../runtime/task.ts';
import type { TaskSettings } from '../runtime/task-options.ts';
import { HashmapBackend } from '../state/hashmap-backend.ts';
import type { TaskStorage } from './task-storage.ts';

export interface CreateTaskOptions {
  readonly id: TaskId;
  readonly vertex: JobVertex;
  readonly jobGraph: JobGraph;
  readonly world: World;
  /** What the task reads from, in the order of the senders. */
  readonly inputsOf: (edge: JobEdge) => readonly ChannelReader[];
  /** What the task writes to, in the order of the receivers. */
  readonly outputsOf: (edge: JobEdge) => readonly ChannelWriter[];
  readonly jobMaster: JobMasterGateway;
  readonly storage: TaskStorage;
  readonly settings: TaskSettings;
  readonly restore: TaskRestore | undefined;
  readonly printChain: ((text: string) => void) | undefined;
  readonly random: Random | undefined;
}

/** A task with everything that it needs of this thread. */
export function createTask(options: CreateTaskOptions): Task {
  const { id, vertex, jobGraph, world, jobMaster, storage } = options;
  return new Task({
    id,
    vertex,
    jobName: jobGraph.jobName,
    maxParallelism: jobGraph.maxParallelism,
    writerId: storage.writerId(id),
    world,
    jobMaster,
    inputs: vertex.inputs.map((edge) => ({ edgeId: edge.id, readers: options.inputsOf(edge) })),
    outputs: vertex.outputs.map((edge) => ({ edgeId: edge.id, writers: options.outputsOf(edge) })),
    createOperator,
    createKeyedBackend: (backend) => new HashmapBackend(backend),
    snapshotTarget: (barrier, uid) => storage.target(barrier, uid, id),
    restore: options.restore,
    settings: options.settings,
    random: options.random,
    printChain: options.printChain,
  });
}
