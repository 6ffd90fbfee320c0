import type { TaskId } from '../runtime/gateways.ts';

/** Whose output and snapshots a task writes. Plain data. */
export interface WriterIdentity {
  readonly jobId: string;
  readonly lineage: string;
  readonly epoch: number;
}

/** What came before a job. Plain data. */
export interface Ancestry {
  /** Jobs that are over for good, whose snapshot this one started from or whose place it took. */
  readonly jobIds: readonly string[];
  /** Lineage of the job that it was forked from just now, which goes on beside it. */
  readonly forkedFrom: string | undefined;
}

/** Enough of a job's id to tell the jobs of one lineage apart. */
const JOB_ID_CHARS = 12;

/**
 * Unique per job, leadership, attempt and subtask; begins with the lineage; safe in file names. The
 * job is named, since one that starts from another's snapshot goes on with that one's lineage.
 */
export function writerIdOf(identity: WriterIdentity, { vertex, subtask, attempt }: TaskId): string {
  const safe = vertex.replaceAll(/[^\w-]+/g, '_');
  return `${prefixOf(identity)}${identity.epoch}-${attempt}-${safe}-${subtask}`;
}

/**
 * Whether a writer belongs to a dead attempt of this history. Never said of writers of a later
 * leadership: a leader that was taken for dead and comes back must leave alone what its successor
 * has not committed yet.
 *
 * @param ancestors Jobs that are over, whose epochs mean nothing here.
 */
export function isLeftoverOf(
  identity: WriterIdentity,
  ancestors: readonly string[],
  writerId: string,
): boolean {
  const own = prefixOf(identity);
  if (writerId.startsWith(own)) {
    return Number.parseInt(writerId.slice(own.length), 10) <= identity.epoch;
  }
  return ancestors.some((jobId) => writerId.startsWith(prefixOf({ ...identity, jobId })));
}

function prefixOf({ lineage, jobId }: Pick<WriterIdentity, 'lineage' | 'jobId'>): string {
  return `${lineage}-${jobId.slice(0, JOB_ID_CHARS)}-`;
}
