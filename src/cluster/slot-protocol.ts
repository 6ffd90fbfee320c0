import type { MessagePort } from 'node:worker_threads';
import type { TransferredError } from '../common/error-transfer.ts';
import type {
  CheckpointBarrier,
  OperatorRestore,
  SnapshotLocation,
  TaskAcknowledgement,
} from '../contracts/snapshots.ts';
import type { TaskId } from '../runtime/gateways.ts';
import type { OperatorEvent } from '../runtime/operator.ts';
import type { ThreadLinkEnd } from '../runtime/ring-link.ts';
import type { TaskSettings } from '../runtime/task-options.ts';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { WriterIdentity } from './task-storage.ts';

/*
 * What the JobMaster's thread and its slots say to each other. Everything is plain data: no
 * function of a job ever travels, each thread imports the job's module and builds the same graph.
 */

/** Where every thread gets the job from. */
export interface JobSource {
  /** URL of the module whose default export is the job. */
  readonly module: string;
  /** The job's own settings, checked. */
  readonly settings: unknown;
  readonly flink: FlinkSettings;
}

/** What a slot is born with. */
export interface SlotData {
  readonly slot: number;
  readonly job: JobSource;
  /** The graph that a slot builds must be this one. */
  readonly planHash: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** URL of the job's checkpoint storage. */
  readonly storageUrl: string;
  readonly identity: WriterIdentity;
  readonly tasks: TaskSettings;
  readonly debugCodegen: boolean;
  /**
   * Two Float64: records that the slot's sources have emitted in this attempt, and which of the
   * deployed tasks is running just now, counted from 1; 0 is none.
   */
  readonly progress: SharedArrayBuffer;
}

export interface SlotTask {
  readonly id: TaskId;
  readonly restore:
    | {
        readonly operators: readonly [string, OperatorRestore][];
        readonly location: SnapshotLocation;
      }
    | undefined;
}

/** A channel between two slots. */
export interface SlotChannel {
  /** What both threads call it; never used again in this job's process. */
  readonly number: number;
  readonly edgeId: string;
  readonly from: number;
  readonly to: number;
  readonly memory: SharedArrayBuffer;
}

export type TaskCall =
  | { readonly kind: 'trigger-checkpoint'; readonly barrier: CheckpointBarrier }
  | { readonly kind: 'checkpoint-complete'; readonly checkpointId: number }
  | { readonly kind: 'checkpoint-aborted'; readonly checkpointId: number }
  | { readonly kind: 'operator-event'; readonly uid: string; readonly event: OperatorEvent }
  | { readonly kind: 'finish' };

export type ToSlot =
  /** Another slot, and this one's half of the link between the two. */
  | { readonly kind: 'peer'; readonly slot: number; readonly end: ThreadLinkEnd<MessagePort> }
  | {
      readonly kind: 'deploy';
      readonly attempt: number;
      readonly tasks: readonly SlotTask[];
      readonly channels: readonly SlotChannel[];
    }
  | { readonly kind: 'call'; readonly task: TaskId; readonly call: TaskCall }
  /** Answered by `canceled`, when nothing of the attempt is held any more. */
  | { readonly kind: 'cancel'; readonly attempt: number }
  /** Answered by `pong`, unless the thread is held by something. */
  | { readonly kind: 'ping' }
  /** No attempt will follow: end the thread. */
  | { readonly kind: 'close' };

export type FromSlot =
  /** The job is loaded and its graph is the right one. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly error: TransferredError }
  | { readonly kind: 'pong' }
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
  | { readonly kind: 'canceled'; readonly attempt: number };
