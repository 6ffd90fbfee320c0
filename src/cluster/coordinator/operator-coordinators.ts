import type { CommitResult } from '../../contracts/sink.ts';
import type { SerializedCommittable } from '../../contracts/snapshots.ts';
import type { OperatorEvent } from '../../runtime/operator.ts';

/** A source whose enumerator is to be made. */
export interface SourceStart {
  readonly uid: string;
  readonly parallelism: number;
  /** The enumerator's state in the restored checkpoint, base64. */
  readonly from: string | undefined;
}

/** What the coordinators report to the JobMaster. */
export interface CoordinatorListener {
  /** From a source's enumerator of this attempt to one of its readers. */
  send(uid: string, attempt: number, subtask: number, event: OperatorEvent): void;
  /** @param uid Of the source whose enumerator failed; undefined: nothing of them is left. */
  failed(error: unknown, uid: string | undefined): void;
}

/**
 * What there is once per job and is the user's code all the same: the enumerators of sources and
 * the committers of sinks. In the JobMaster's thread, or in one of its own.
 *
 * Always holds: calls take effect in their order; what an enumerator assigns after `snapshot` comes
 * to the listener after the `release` of that checkpoint.
 */
export interface OperatorCoordinators {
  listen(listener: CoordinatorListener): void;
  /** Makes the enumerators of a region's sources, and starts them. */
  startSources(attempt: number, sources: readonly SourceStart[]): void;
  /** Resolves when nothing of them acts any more. */
  stopSources(uids: readonly string[]): Promise<void>;
  operatorEvent(uid: string, attempt: number, subtask: number, event: OperatorEvent): void;
  /** The state of all enumerators by uid, base64. */
  snapshot(checkpointId: number): Promise<Readonly<Record<string, string>>>;
  /** The barriers of the checkpoint are on their way, or it was given up. */
  release(checkpointId: number): void;
  /** @throws what the committer throws; `JOB-003`, `JOB-004` for output that no sink takes. */
  commit(committables: readonly SerializedCommittable[]): Promise<readonly CommitResult[]>;
  /** Removes what dead attempts of these sinks left; sinks without a committer have nothing. */
  abortLeftovers(uids: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
