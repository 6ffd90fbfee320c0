/**
 * The snapshots of one task between their barrier and their acknowledgement. Several may be on their
 * way at once.
 *
 * Always holds: an acknowledgement is sent only when every byte of it is stored, and holds all
 * committables up to its checkpoint that no confirmed checkpoint has taken over.
 */
import type { Clock } from '../common/clock.ts';
import { EngineError } from '../common/errors.ts';
import type {
  BlobHandle,
  CheckpointBarrier,
  OperatorSnapshot,
  SerializedCommittable,
  StateSchema,
} from '../contracts/snapshots.ts';
import type {
  KeyedStateBackend,
  RunningSnapshot,
  SnapshotResult,
  SnapshotTarget,
} from '../state/keyed-state-backend.ts';
import type { OperatorStateBackend } from '../state/operator-state.ts';
import type { JobMasterGateway, TaskId } from './gateways.ts';
import type { Operator } from './operator.ts';

/** One operator of the task, with everything that its snapshot is made of. */
export interface SnapshotOperator {
  readonly uid: string;
  readonly operator: Operator;
  readonly keyed: KeyedStateBackend | undefined;
  readonly operatorState: OperatorStateBackend;
  readonly watermarkMs: () => number;
  /** Its code runs next; for errors. */
  readonly enter: () => void;
}

export interface TaskSnapshotsOptions {
  readonly id: TaskId;
  readonly parallelism: number;
  readonly operators: readonly SnapshotOperator[];
  readonly clock: Clock;
  readonly jobMaster: JobMasterGateway;
  readonly target: (barrier: CheckpointBarrier, uid: string) => SnapshotTarget;
  /** Runs work on the task's thread between two records. */
  readonly mail: (work: () => void) => void;
  /** What was written is lost: a later checkpoint cannot make up for it. */
  readonly fail: (uid: string, error: unknown) => void;
}

interface Running {
  readonly barrier: CheckpointBarrier;
  /** Not yet drained. */
  draining: RunningSnapshot[];
  readonly all: readonly RunningSnapshot[];
}

interface Part {
  readonly uid: string;
  readonly schemas: readonly StateSchema[];
  readonly watermarkMs: number;
  readonly keyed: Promise<SnapshotResult> | undefined;
  readonly operator: Promise<BlobHandle> | undefined;
}

interface StoredPart {
  readonly part: Part;
  readonly keyed: SnapshotResult | undefined;
  readonly operator: BlobHandle | undefined;
}

interface Timing {
  readonly alignmentMs: number;
  readonly syncMs: number;
  readonly startedMs: number;
}

export class TaskSnapshots {
  readonly #options: TaskSnapshotsOptions;
  readonly #running = new Map<number, Running>();
  /** By operator, oldest first: not yet taken over by a confirmed checkpoint. */
  readonly #committables = new Map<string, SerializedCommittable[]>();
  /** Savepoints take nothing over; forgotten with the next confirmed checkpoint. */
  readonly #savepoints = new Set<number>();
  /** Resolves when all committables of snapshots so far are in `#committables`. */
  #committed: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: TaskSnapshotsOptions) {
    this.#options = options;
  }

  /** Takes the state as it is now. Throws what an operator throws. */
  begin(barrier: CheckpointBarrier, alignmentMs: number, finished: boolean): void {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    if (barrier.kind === 'savepoint') this.#savepoints.add(barrier.checkpointId);
    const snapshots: RunningSnapshot[] = [];
    const parts = this.#options.operators.map((one) =>
      this.#beginOperator(one, barrier, snapshots, finished),
    );
    this.#running.set(barrier.checkpointId, { barrier, draining: snapshots, all: [...snapshots] });
    const endedMs = clock.monotonicMs();
    const timing = { alignmentMs, syncMs: endedMs - startedMs, startedMs: endedMs };
    this.#finish(barrier, parts, timing, finished);
  }

  /** Encodes a slice of what is under way; false if there was nothing to do, or the store is waited for. */
  drain(budgetMs: number): boolean {
    for (const running of this.#running.values()) {
      const [snapshot] = running.draining;
      if (snapshot === undefined) continue;
      if (snapshot.isWaiting) continue;
      if (snapshot.drain(budgetMs)) running.draining.shift();
      return true;
    }
    return false;
  }

  confirmed(checkpointId: number): void {
    if (!this.#savepoints.has(checkpointId)) {
      for (const [uid, list] of this.#committables) {
        this.#committables.set(
          uid,
          list.filter((one) => one.checkpointId > checkpointId),
        );
      }
    }
    for (const id of this.#savepoints) if (id <= checkpointId) this.#savepoints.delete(id);
    for (const { operator, keyed, enter } of this.#options.operators) {
      enter();
      keyed?.confirmed(checkpointId);
      operator.confirmed?.(checkpointId);
    }
  }

  aborted(checkpointId: number): void {
    this.#cancel(checkpointId);
    this.#savepoints.delete(checkpointId);
    for (const { operator, keyed, enter } of this.#options.operators) {
      enter();
      keyed?.aborted(checkpointId);
      operator.aborted?.(checkpointId);
    }
  }

  close(): void {
    this.#closed = true;
    for (const checkpointId of [...this.#running.keys()]) this.#cancel(checkpointId);
  }

  #beginOperator(
    one: SnapshotOperator,
    barrier: CheckpointBarrier,
    snapshots: RunningSnapshot[],
    finished: boolean,
  ): Part {
    const { uid, operator, keyed, operatorState } = one;
    one.enter();
    const committables = operator.snapshot?.(barrier);
    if (committables instanceof Promise) this.#collect(uid, committables);
    const target = this.#waking(this.#options.target(barrier, uid));
    const running = keyed?.snapshot(barrier, target);
    if (running !== undefined) {
      snapshots.push(running);
      // Where a later operator throws, nobody else looks at it.
      running.handles.catch(() => undefined);
    }
    const bytes = operatorState.snapshot();
    return {
      uid,
      schemas: [...(keyed?.schemas() ?? []), ...operatorState.schemas()],
      // As in Flink event time begins anew after a drain: else all that comes were late.
      watermarkMs: barrier.stop === 'drain' && !finished ? -Infinity : one.watermarkMs(),
      keyed: running?.handles,
      operator:
        bytes === undefined ? undefined : target.store('exclusive', 'operator-state', [bytes]),
    };
  }

  /** Encoding may have waited for what is stored: it goes on then. */
  #waking(target: SnapshotTarget): SnapshotTarget {
    const wake = (): void => {
      this.#options.mail(() => undefined);
    };
    return {
      store: (...file) => target.store(...file).finally(wake),
    };
  }

  /** Keeps committables until they are taken over; their failure is the task's. */
  #collect(uid: string, promised: Promise<readonly SerializedCommittable[]>): void {
    const before = this.#committed;
    const collected = promised.then(async (committables) => {
      await before;
      this.#committables.set(uid, [...(this.#committables.get(uid) ?? []), ...committables]);
    });
    collected.catch((error: unknown) => {
      this.#options.mail(() => {
        this.#options.fail(uid, error);
      });
    });
    this.#committed = Promise.all([before, collected]);
    this.#committed.catch(() => undefined);
  }

  #finish(
    barrier: CheckpointBarrier,
    parts: readonly Part[],
    timing: Timing,
    finished: boolean,
  ): void {
    const { mail, jobMaster, id } = this.#options;
    const { checkpointId } = barrier;
    const stored = Promise.all(
      parts.map(async (part): Promise<StoredPart> => {
        const [keyed, operator] = await Promise.all([part.keyed, part.operator]);
        return { part, keyed, operator };
      }),
    );
    const committed = this.#committed.then(
      () => true,
      // The task fails by `#collect`.
      () => false,
    );
    Promise.all([stored, committed]).then(
      ([storedParts, isCommitted]) => {
        mail(() => {
          if (isCommitted && this.#running.delete(checkpointId)) {
            this.#acknowledge(barrier, storedParts, timing, finished);
          }
        });
      },
      (error: unknown) => {
        mail(() => {
          if (!this.#running.has(checkpointId)) return;
          this.#cancel(checkpointId);
          // What cannot be written now cannot be written later, either: the value is still there.
          if (error instanceof EngineError && error.kind === 'invalid')
            this.#options.fail('', error);
          else jobMaster.decline(id, checkpointId, error);
        });
      },
    );
  }

  #acknowledge(
    barrier: CheckpointBarrier,
    stored: readonly StoredPart[],
    timing: Timing,
    finished: boolean,
  ): void {
    if (this.#closed) return;
    const { id, parallelism, clock, jobMaster } = this.#options;
    const { checkpointId } = barrier;
    let writtenBytes = 0;
    let stateBytes = 0;
    const operators = stored.map(({ part, keyed, operator }): OperatorSnapshot => {
      writtenBytes += (keyed?.writtenBytes ?? 0) + (operator?.sizeBytes ?? 0);
      stateBytes += operator?.sizeBytes ?? 0;
      for (const { blob } of keyed?.runs ?? []) stateBytes += blob.sizeBytes;
      const committables = this.#committables.get(part.uid) ?? [];
      return {
        uid: part.uid,
        subtask: id.subtask,
        parallelism,
        keyed: keyed?.runs ?? [],
        operator,
        schemas: part.schemas,
        watermarkMs: part.watermarkMs === -Infinity ? undefined : part.watermarkMs,
        finished,
        committables: committables.filter((one) => one.checkpointId <= checkpointId),
      };
    });
    const asyncMs = clock.monotonicMs() - timing.startedMs;
    const { alignmentMs, syncMs } = timing;
    jobMaster.acknowledge({
      checkpointId,
      vertex: id.vertex,
      subtask: id.subtask,
      attempt: id.attempt,
      operators,
      metrics: { alignmentMs, syncMs, asyncMs, writtenBytes, stateBytes },
    });
  }

  #cancel(checkpointId: number): void {
    const running = this.#running.get(checkpointId);
    if (running === undefined) return;
    this.#running.delete(checkpointId);
    for (const snapshot of running.all) snapshot.cancel();
  }
}
