/**
 * Whether a new submission goes on from where the last job of its name was. A pure function; the
 * caller has read the name's record and that job's HEAD. Every start prints the messages.
 *
 *   it crashed, failed, or lost its service  → resumes by itself, under the same job id
 *   finished, cancelled, stopped             → starts fresh, and says what it leaves
 *   -s <path>, --fresh                       → always win
 */
import type { Head, HeadCheckpoint } from './head.ts';
import type { NameRecord } from './name-record.ts';

export interface ResumeInput {
  readonly jobName: string;
  /** Where was looked; for people. */
  readonly storeUrl: string;
  readonly record: NameRecord | undefined;
  /** Of the record's job. */
  readonly head: Head | undefined;
  readonly options: ResumeOptions;
}

export interface ResumeOptions {
  readonly fresh: boolean;
  /** A snapshot that the user named, already found. */
  readonly from: NamedSnapshot | undefined;
}

export interface NamedSnapshot {
  readonly url: string;
  readonly lineage: string;
  readonly checkpointId: number;
}

export type ResumeDecision =
  /** Take the job over under its id, and restore its latest checkpoint if there is one. */
  | {
      readonly kind: 'resume';
      readonly jobId: string;
      readonly lineage: string;
      readonly latest: HeadCheckpoint | undefined;
      readonly messages: readonly string[];
    }
  /**
   * A new job id, restoring `from`. Without a lineage it is a fork: it gets a new one, and the
   * snapshot's pending output is not its to commit.
   */
  | {
      readonly kind: 'restore';
      readonly from: NamedSnapshot;
      readonly lineage: string | undefined;
      readonly messages: readonly string[];
    }
  /** A new job id and no state. */
  | { readonly kind: 'fresh'; readonly messages: readonly string[] };

export function resumeDecision(input: ResumeInput): ResumeDecision {
  const { record, head, options } = input;
  if (options.from !== undefined) return restoreNamed(input, options.from);
  if (options.fresh) {
    return { kind: 'fresh', messages: ['Starting fresh, as asked by --fresh.', ...left(input)] };
  }
  if (record === undefined) {
    const where = `${input.storeUrl}/by-name`;
    const message = `No earlier run of '${input.jobName}' found in ${where}: starting fresh.`;
    return { kind: 'fresh', messages: [message] };
  }
  if (record.state === 'running' || record.state === 'failed') return resume(record, head);
  const message = `The last run of '${input.jobName}' ${ENDED[record.state]}: starting fresh.`;
  return { kind: 'fresh', messages: [message, ...left(input)] };
}

const ENDED = {
  finished: 'finished',
  canceled: 'was cancelled',
  stopped: 'was stopped with a savepoint',
} as const;

function resume(record: NameRecord, head: Head | undefined): ResumeDecision {
  const { jobId, lineage, state, jobName } = record;
  const latest = head?.checkpoints.at(-1);
  const how = state === 'failed' ? 'failed' : 'did not end';
  const before = `The last run of '${jobName}' (job ${jobId}) ${how}.`;
  const messages =
    latest === undefined
      ? [before, 'It has no complete checkpoint: starting from the beginning.']
      : [before, 'Restoring job from latest checkpoint', `Checkpoint restored from ${latest.url}`];
  return { kind: 'resume', jobId, lineage, latest, messages };
}

function restoreNamed(input: ResumeInput, from: NamedSnapshot): ResumeDecision {
  const { record } = input;
  // While the other one may still be running, going on under its lineage would write its output twice.
  const isOver = record !== undefined && record.state !== 'running';
  const isOwn = isOver && record.lineage === from.lineage;
  const messages = [`Restoring job from ${from.url}`, ...left(input, from.url)];
  return { kind: 'restore', from, lineage: isOwn ? from.lineage : undefined, messages };
}

/** What is there and not taken, with the way to take it. */
function left({ record, head }: ResumeInput, taken?: string): string[] {
  const lines: string[] = [];
  const savepoint = record?.savepointUrl;
  if (savepoint !== undefined && savepoint !== taken) {
    lines.push(`Left aside: savepoint ${savepoint}. To restore it: -s ${savepoint}`);
  }
  const latest = head?.checkpoints.at(-1);
  if (latest !== undefined && latest.url !== taken && latest.url !== savepoint) {
    lines.push(`Left aside: checkpoint ${latest.url}. To restore it: -s ${latest.url}`);
  }
  return lines;
}
