import type { MessagePort } from 'node:worker_threads';
import type { TransferredError } from '../../common/error-transfer.ts';
import type {
  CheckpointBarrier,
  OperatorRestore,
  SnapshotLocation,
  TaskAcknowledgement,
} from '../../contracts/snapshots.ts';
import type { TaskId } from '../../runtime/gateways.ts';
import type { OperatorEvent } from '../../runtime/operator.ts';
import type { LinkPort, ThreadLinkEnd } from '../../runtime/ring-link.ts';
import type { TaskSample } from '../../runtime/task-metrics.ts';
import type { TaskSettings } from '../../runtime/task-options.ts';
import type { RestoreProgress } from '../../common/restore-progress.ts';
import type { PlannedSource } from '../load-job.ts';
import type { StoreSettings } from '../open-store.ts';
import type { WriterIdentity } from '../writer-id.ts';

/*
 * What a TaskManager and its slots say to each other. Everything is plain data: no function of a job
 * ever travels, each slot imports the job's module and builds the same graph.
 */

/** What all slots of a job are born with. */
export interface SlotData extends PlannedSource {
  /** URL of the job's checkpoint storage. */
  readonly storageUrl: string;
  /** How that and other stores are reached. */
  readonly stores: StoreSettings;
  readonly identity: WriterIdentity;
  readonly tasks: TaskSettings;
  readonly debugCodegen: boolean;
}

/** One execution of a region. A slot may hold several of them, of different regions. */
export interface DeploymentId {
  /** The region's first vertex. */
  readonly region: string;
  readonly attempt: number;
}

export function deploymentKey({ region, attempt }: DeploymentId): string {
  return `${region}\u0000${attempt}`;
}

export interface SlotTask {
  readonly id: TaskId;
  /** For people. */
  readonly name: string;
  readonly restore:
    | {
        readonly operators: readonly [string, OperatorRestore][];
        readonly location: SnapshotLocation;
      }
    | undefined;
}

/** A channel between two slots. */
export interface ChannelId {
  /** What both slots call it. No other channel of the job's process has it, ever. */
  readonly number: number;
  readonly edgeId: string;
  /** The subtasks at its ends, which are the numbers of their slots. */
  readonly from: number;
  readonly to: number;
}

/** A slot with which another one exchanges records, and where that is, as seen from the latter. */
export type SlotPeer =
  /** In the same TaskManager, at this place. */
  | { readonly kind: 'neighbour'; readonly slot: number; readonly index: number }
  /** In another one, listening there. */
  | { readonly kind: 'remote'; readonly slot: number; readonly address: string };

/** The part of a region that one slot gets. */
export interface SlotDeploy {
  readonly deployment: DeploymentId;
  /** The number of the subtasks that the slot runs; slots have it for one deployment only. */
  readonly slot: number;
  readonly tasks: readonly SlotTask[];
  readonly channels: readonly ChannelId[];
  readonly peers: readonly SlotPeer[];
}

export type TaskCall =
  | { readonly kind: 'trigger-checkpoint'; readonly barrier: CheckpointBarrier }
  | { readonly kind: 'checkpoint-complete'; readonly checkpointId: number }
  | { readonly kind: 'checkpoint-aborted'; readonly checkpointId: number }
  | { readonly kind: 'operator-event'; readonly uid: string; readonly event: OperatorEvent }
  | { readonly kind: 'drain' }
  | { readonly kind: 'finish' };

/** What the JobManager tells a slot, and its TaskManager passes on. */
export type SlotOrder =
  | {
      readonly kind: 'call';
      readonly deployment: DeploymentId;
      readonly task: TaskId;
      readonly call: TaskCall;
    }
  /** Answered by `canceled`, when nothing of the deployment is held any more. */
  | { readonly kind: 'cancel'; readonly deployment: DeploymentId };

export type ToSlot<Port extends LinkPort = MessagePort> =
  | SlotOrder
  /** Another slot of the TaskManager, and this one's half of the link between the two. */
  | { readonly kind: 'neighbour'; readonly index: number; readonly end: ThreadLinkEnd<Port> }
  | {
      readonly kind: 'deploy';
      readonly deploy: SlotDeploy;
      /** The task at place n of `deploy.tasks` is `firstTask + n` in the progress words. */
      readonly firstTask: number;
      /** Of the channels to neighbours, by number. */
      readonly rings: ReadonlyMap<number, SharedArrayBuffer>;
    }
  /** Answered by `pong`, unless the thread is held by something. */
  | { readonly kind: 'ping' }
  /** Nothing will follow: end. */
  | { readonly kind: 'close' };

/** What a slot tells the JobManager of a deployment. */
export type SlotReport =
  | { readonly kind: 'running' | 'ended-input' | 'finished'; readonly task: TaskId }
  | { readonly kind: 'failed'; readonly task: TaskId; readonly error: TransferredError }
  | { readonly kind: 'acknowledge'; readonly acknowledgement: TaskAcknowledgement }
  | {
      readonly kind: 'decline';
      readonly task: TaskId;
      readonly checkpointId: number;
      readonly error: TransferredError;
    }
  | {
      readonly kind: 'operator-event';
      readonly task: TaskId;
      readonly uid: string;
      readonly event: OperatorEvent;
    }
  /** What the sources have read in this deployment, and how far its restore is. */
  | {
      readonly kind: 'progress';
      readonly recordsRead: number;
      readonly restore: RestoreProgress | undefined;
    }
  /** What the tasks of this deployment have done, by vertex. About once a second. */
  | { readonly kind: 'samples'; readonly samples: readonly [string, TaskSample][] }
  | { readonly kind: 'canceled' };

export type FromSlot =
  /** The job is loaded and its graph is the right one; other TaskManagers' slots connect there. */
  | { readonly kind: 'ready'; readonly address: string }
  | { readonly kind: 'refused'; readonly error: TransferredError }
  | { readonly kind: 'pong' }
  | { readonly kind: 'report'; readonly deployment: DeploymentId; readonly report: SlotReport };
