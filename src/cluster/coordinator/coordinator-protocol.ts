import type { TransferredError } from '../../common/error-transfer.ts';
import type { CommitResult } from '../../contracts/sink.ts';
import type { SerializedCommittable } from '../../contracts/snapshots.ts';
import type { OperatorEvent } from '../../runtime/operator.ts';
import type { FlinkSettings } from '../../settings/flink-settings.ts';
import type { PlannedJob } from '../lead-job.ts';
import type { JobSource } from '../load-job.ts';
import type { Ancestry, WriterIdentity } from '../writer-id.ts';
import type { SourceStart } from './operator-coordinators.ts';

/*
 * What the JobMaster's thread and the coordinator thread of its job say to each other. Plain data.
 */

/** What a submission knows of a job before its code was loaded. */
export interface JobRequest {
  /** What stands behind `--`. */
  readonly arguments: readonly string[];
  /** The engine's settings; the job's own code may change them. */
  readonly flink: FlinkSettings;
}

/** A job once its code was loaded. */
export interface DescribedJob {
  readonly jobName: string;
  /** The job's own settings, checked. Plain data. */
  readonly settings: unknown;
  /** All settings in force. */
  readonly config: FlinkSettings;
  /** A program described it, which goes on behind its `execute`. */
  readonly isProgram: boolean;
}

/** What a new coordinator thread needs to take up the job. */
export interface CoordinatedJob {
  readonly job: JobSource;
  readonly planHash: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  readonly identity: WriterIdentity;
  readonly ancestry: Ancestry;
}

/** Each is answered by what it maps to. */
export interface CoordinatorCalls {
  readonly describe: { readonly call: JobRequest; readonly answer: DescribedJob };
  readonly plan: {
    readonly call: { readonly maxParallelism: number };
    readonly answer: PlannedJob;
  };
  /** Warnings of the sinks; refused with what one of them cannot start with. */
  readonly preflight: { readonly call: undefined; readonly answer: readonly string[] };
  /** Before any of the following. */
  readonly lead: { readonly call: CoordinatedJob; readonly answer: undefined };
  readonly 'stop-sources': {
    readonly call: { readonly uids: readonly string[] };
    readonly answer: undefined;
  };
  readonly snapshot: {
    readonly call: { readonly checkpointId: number };
    readonly answer: Readonly<Record<string, string>>;
  };
  readonly commit: {
    readonly call: { readonly committables: readonly SerializedCommittable[] };
    readonly answer: readonly CommitResult[];
  };
  readonly 'abort-leftovers': {
    readonly call: { readonly uids: readonly string[] };
    readonly answer: undefined;
  };
  readonly close: { readonly call: undefined; readonly answer: undefined };
}

export type CoordinatorCall = keyof CoordinatorCalls;

export type ToCoordinator =
  | {
      [Name in CoordinatorCall]: {
        readonly kind: 'call';
        readonly id: number;
        readonly name: Name;
        readonly call: CoordinatorCalls[Name]['call'];
      };
    }[CoordinatorCall]
  | {
      readonly kind: 'start-sources';
      readonly attempt: number;
      readonly sources: readonly SourceStart[];
    }
  | {
      readonly kind: 'operator-event';
      readonly uid: string;
      readonly attempt: number;
      readonly subtask: number;
      readonly event: OperatorEvent;
    }
  | { readonly kind: 'release'; readonly checkpointId: number }
  /** Answered by `pong`, unless the thread is held by something. */
  | { readonly kind: 'ping' };

export type FromCoordinator =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: TransferredError }
  | {
      readonly kind: 'send';
      readonly uid: string;
      readonly attempt: number;
      readonly subtask: number;
      readonly event: OperatorEvent;
    }
  | { readonly kind: 'failed'; readonly uid: string | undefined; readonly error: TransferredError }
  | { readonly kind: 'pong' };

/** What the thread is born with. */
export interface CoordinatorData {
  /** URL of the job's module. */
  readonly module: string;
  /** What relative paths of the job's code begin at. Default: the process's working folder. */
  readonly folder: string | undefined;
}
