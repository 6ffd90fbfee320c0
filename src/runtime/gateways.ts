import type {
  BlobHandle,
  CheckpointBarrier,
  OperatorRestore,
  TaskAcknowledgement,
} from '../contracts/snapshots.ts';
import type { RestoreOptions } from '../state/keyed-state-backend.ts';
import type { OperatorEvent } from './operator.ts';

/** One execution of one subtask. */
export interface TaskId {
  readonly vertex: string;
  readonly subtask: number;
  /** Counts restarts of the job's region, from 0. */
  readonly attempt: number;
}

/** From the JobMaster to a task. Calls arrive in order. Later these are frames between processes. */
export interface TaskGateway {
  /** Only to source tasks: the barrier enters the stream before the next element. */
  triggerCheckpoint(barrier: CheckpointBarrier): void;
  notifyCheckpointComplete(checkpointId: number): void;
  notifyCheckpointAborted(checkpointId: number): void;
  operatorEvent(uid: string, event: OperatorEvent): void;
  /** Only to source tasks: the input ends here, as if there were no more of it. */
  drain(): void;
  /** The last checkpoint, or the savepoint of a stop, is complete: close and end. */
  finish(): void;
  /** Stop now; resolves when the task holds nothing any more. */
  cancel(): Promise<void>;
}

/** From a task to the JobMaster. */
export interface JobMasterGateway {
  taskRunning(task: TaskId): void;
  /** All inputs have ended and everything is flushed; the task waits for the last checkpoint. */
  taskEndedInput(task: TaskId): void;
  taskFinished(task: TaskId): void;
  taskFailed(task: TaskId, error: unknown): void;
  acknowledge(acknowledgement: TaskAcknowledgement): void;
  decline(task: TaskId, checkpointId: number, error: unknown): void;
  operatorEvent(task: TaskId, uid: string, event: OperatorEvent): void;
}

/** What a task needs to restore, by operator uid; an operator without an entry starts empty. */
export interface TaskRestore {
  readonly operators: ReadonlyMap<string, OperatorRestore>;
  readonly read: (handle: BlobHandle) => Promise<Uint8Array>;
  /** A part of a blob, unchecked; without it blobs are read whole. */
  readonly readRange?: RestoreOptions['readRange'];
}
