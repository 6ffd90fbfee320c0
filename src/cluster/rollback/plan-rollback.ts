/**
 * A rollback: a whole job as it was at a checkpoint, its output included. Here is found out what belongs
 * together: the checkpoint (with its state and the positions in its sources), and in each sink what was shown
 * since.
 *
 * Changes nothing; `perform-rollback.ts` does.
 */
import { readHandle } from '../../checkpoint/handle-reader.ts';
import { readHead, readRetained, type Head, type HeadCheckpoint } from '../../checkpoint/head.ts';
import type { FoundSnapshot } from '../../checkpoint/metadata.ts';
import { readNameRecord, type NameRecord } from '../../checkpoint/name-record.ts';
import { storeOf } from '../../checkpoint/snapshot-path.ts';
import type { SinkRollback } from '../../contracts/sink.ts';
import type { World } from '../../contracts/source.ts';
import type { StreamGraph } from '../../graph/operator-spec.ts';
import { splitStateSerializer } from '../../operators/split-state.ts';
import { OperatorStateBackend } from '../../state/operator-state.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { noJobToRollBack, nothingBefore, outputStays } from './rollback-errors.ts';

export interface RollbackOptions {
  /** Where the job's checkpoints are. */
  readonly store: BlobStore;
  readonly openStore: (url: string) => BlobStore;
  readonly world: World;
  readonly graph: StreamGraph;
  /** The newest checkpoint that was complete before this moment is what the job goes back to. */
  readonly beforeMs: number;
  /** Sinks whose output stays as it is, although some of it will come again. */
  readonly leave: readonly string[];
}

/** Of one sink. */
export interface SinkPart {
  readonly uid: string;
  readonly kind: string;
  /** Undefined: what it has shown stays. */
  readonly rollback: SinkRollback | undefined;
}

/** Where a source goes on reading. */
export interface SourcePart {
  readonly uid: string;
  readonly kind: string;
  /** What is left of each split, as JSON. */
  readonly splits: readonly string[];
  readonly finished: boolean;
}

export interface RollbackPlan {
  readonly record: NameRecord;
  readonly head: Head;
  readonly to: HeadCheckpoint;
  /** Complete checkpoints that the job forgets. */
  readonly dropped: readonly HeadCheckpoint[];
  readonly sources: readonly SourcePart[];
  readonly sinks: readonly SinkPart[];
  /** An earlier rollback to this checkpoint has begun and is gone on with. */
  readonly goesOn: boolean;
}

/**
 * @throws {EngineError} `CLI-083` to `CLI-085` (`invalid`), what the sinks throw, and `CHK-…`, `STO-…` as
 * reading the storage does.
 */
export async function planRollback(options: RollbackOptions): Promise<RollbackPlan> {
  const { store, graph, world, leave } = options;
  const record = (await readNameRecord(store, graph.jobName))?.record;
  const head = record && (await readHead(store, record.jobId))?.head;
  if (record === undefined || head === undefined) throw noJobToRollBack(graph.jobName, store.url);
  const to = targetOf(head, record, options.beforeMs);
  const snapshot = await readRetained(storeOf(to.location, options), to);
  const sinks: SinkPart[] = [];
  for (const { uid, spec } of graph.nodes) {
    if (spec.kind !== 'sink') continue;
    const { sink } = spec;
    const { lineage } = record;
    const { checkpointId } = to;
    const isLeft = leave.includes(uid);
    if (sink.rollback === undefined && sink.committables !== undefined && !isLeft) {
      throw outputStays(uid, sink.kind);
    }
    const rollback = isLeft
      ? undefined
      : await sink.rollback?.({ world, uid, lineage, checkpointId });
    sinks.push({ uid, kind: sink.kind, rollback });
  }
  return {
    record,
    head,
    to,
    dropped: head.checkpoints.filter(({ checkpointId }) => checkpointId > to.checkpointId),
    sources: await sourcesOf(options, snapshot, to),
    sinks,
    goesOn: record.rollback !== undefined,
  };
}

function targetOf(
  { checkpoints }: Head,
  { rollback, jobName }: NameRecord,
  beforeMs: number,
): HeadCheckpoint {
  const to =
    rollback === undefined
      ? checkpoints.findLast(({ completedMs }) => completedMs < beforeMs)
      : checkpoints.find(({ checkpointId }) => checkpointId === rollback.checkpointId);
  if (to === undefined) throw nothingBefore(jobName, beforeMs, checkpoints[0]);
  return to;
}

async function sourcesOf(
  options: RollbackOptions,
  { metadata }: FoundSnapshot,
  to: HeadCheckpoint,
): Promise<SourcePart[]> {
  const parts: SourcePart[] = [];
  const store = storeOf(to.location, options);
  for (const { uid, spec } of options.graph.nodes) {
    if (spec.kind !== 'source') continue;
    const { source } = spec;
    const subtasks = metadata.operators.filter((operator) => operator.uid === uid);
    const backend = new OperatorStateBackend({ uid, subtask: 0, parallelism: 1 });
    const splits = backend.listState('splits', splitStateSerializer(source.splits));
    await backend.restore(subtasks, (handle) => readHandle(store, handle));
    parts.push({
      uid,
      kind: source.kind,
      splits: splits.get().map(({ split }) => splitText(split)),
      finished: subtasks.length > 0 && subtasks.every(({ finished }) => finished),
    });
  }
  return parts;
}

function splitText(split: unknown): string {
  return JSON.stringify(split, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
}
