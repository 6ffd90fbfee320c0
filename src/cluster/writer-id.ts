import type { TaskId } from '../runtime/gateways.ts';

/** Whose output and snapshots a task writes. Plain data. */
export interface WriterIdentity {
  readonly jobId: string;
  readonly lineage: string;
  readonly epoch: number;
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
 * @param parentJobId The job whose snapshot this one started from, whose epochs mean nothing here.
 */
export function isLeftoverOf(
  identity: WriterIdentity,
  parentJobId: string | undefined,
  writerId: string,
): boolean {
  const own = prefixOf(identity);
  if (writerId.startsWith(own)) {
    return Number.parseInt(writerId.slice(own.length), 10) <= identity.epoch;
  }
  if (parentJobId === undefined) return false;
  return writerId.startsWith(prefixOf({ ...identity, jobId: parentJobId }));
}

function prefixOf({ lineage, jobId }: Pick<WriterIdentity, 'lineage' | 'jobId'>): string {
  return `${lineage}-${jobId.slice(0, JOB_ID_CHARS)}-`;
}
