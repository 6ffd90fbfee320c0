import { readHandle, readHandleRange } from '../checkpoint/handle-reader.ts';
import { SnapshotWriter } from '../checkpoint/snapshot-writer.ts';
import { assert } from '../common/assert.ts';
import type { CheckpointBarrier, SnapshotLocation } from '../contracts/snapshots.ts';
import type { TaskId, TaskRestore } from '../runtime/gateways.ts';
import type { SnapshotTarget } from '../state/keyed-state-backend.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { writerIdOf, type WriterIdentity } from './writer-id.ts';

/** The checkpoint storage as tasks need it: they read what they restore and write their files. */
export class TaskStorage {
  readonly #identity: WriterIdentity;
  readonly #open: (url: string | undefined) => BlobStore;

  /** @param open The store of a URL; of `undefined`, the job's own. */
  constructor(identity: WriterIdentity, open: (url: string | undefined) => BlobStore) {
    this.#identity = identity;
    this.#open = open;
  }

  /** See `writer-id.ts`. */
  writerId(task: TaskId): string {
    return writerIdOf(this.#identity, task);
  }

  /** Where the files of one operator subtask go. */
  target(barrier: CheckpointBarrier, uid: string, task: TaskId): SnapshotTarget {
    const { checkpointId, kind, location } = barrier;
    assert(location !== undefined, `the barrier of checkpoint ${checkpointId} names no place`);
    const { jobId, epoch } = this.#identity;
    const { folder, storeUrl } = location;
    const selfContained = kind === 'savepoint';
    return new SnapshotWriter({
      store: this.#open(storeUrl),
      place: { jobId, folder, selfContained, checkpointId, epoch, attempt: task.attempt },
      uid,
      subtask: task.subtask,
    });
  }

  /** Reads the files of a snapshot: whole and checked, or parts of them. */
  reader({ storeUrl }: SnapshotLocation): Pick<TaskRestore, 'read' | 'readRange'> {
    return {
      read: (handle) => readHandle(this.#open(storeUrl), handle),
      readRange: (handle, range) => readHandleRange(this.#open(storeUrl), handle, range),
    };
  }
}
