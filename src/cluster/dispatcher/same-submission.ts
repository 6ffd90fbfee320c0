import { EngineError } from '../../common/errors.ts';
import { canonicalJson } from '../../graph/canonical-json.ts';
import type { JobSubmission } from './cluster.ts';
import { NAME_TAKEN } from './dispatcher-errors.ts';
import { withoutSecrets, type JobRecord } from './job-record.ts';

/**
 * Whether a submission asks for what a job that was brought back is: the same code, arguments and settings,
 * going on from where the job is. After a restart of the service such a submission has been done already.
 */
export function isSubmittedAgain(
  { submission: before, bundle: bundleBefore }: JobRecord,
  submission: JobSubmission,
  bundle: string,
): boolean {
  if (submission.from.kind !== 'resume' || bundle !== bundleBefore) return false;
  return textOf(before) === textOf(submission);
}

/** Secrets are not kept, and what the first one began from does not matter any more. */
function textOf(submission: JobSubmission): string {
  return canonicalJson({ ...withoutSecrets(submission), from: undefined });
}

/** The name for which a submission was refused since a job has it; undefined for other refusals. */
export function takenName(error: unknown): string | undefined {
  if (!(error instanceof EngineError) || error.code !== NAME_TAKEN) return undefined;
  const name = error.details['jobName'];
  return typeof name === 'string' ? name : undefined;
}
