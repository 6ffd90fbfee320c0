/**
 * A job that is to run under the service until it has ended. docs/formats/job-store.md.
 *
 *   submitted ──its leadership is taken──► started ──it has ended──► (the record is gone)
 *
 * Always holds: none of a job's tasks runs before the index says that it has `started`; a job of which
 * it does not may be run as it was submitted, since nothing of it can have run.
 */
import { decodeFramed, encodeFramed, type Versioned } from '../../checkpoint/framed-json.ts';
import {
  FLINK_SETTINGS,
  SETTING_NAMES,
  type FlinkSettings,
  type SettingName,
} from '../../settings/flink-settings.ts';
import type { JobSubmission } from './cluster.ts';

/** What was submitted. Never changes. */
export interface SubmittedJob {
  readonly submissionId: string;
  /** Its secrets are not written down. */
  readonly submission: JobSubmission;
  /** SHA-256 of the job's code, in hex. */
  readonly bundle: string;
  /** Wall time of the submission. */
  readonly atMs: number;
}

export interface JobRecord extends SubmittedJob {
  readonly started: JobStarted | undefined;
}

export interface JobStarted {
  readonly jobId: string;
  readonly jobName: string;
  /** Of its checkpoints. */
  readonly storageUrl: string;
}

const RECORD_FORMAT = 2;
const KIND = 'submitted-job';

const SECRETS: readonly SettingName[] = SETTING_NAMES.filter(
  (name) => (FLINK_SETTINGS[name] as { readonly secret?: true }).secret === true,
);

export function encodeSubmittedJob(job: SubmittedJob): Uint8Array {
  const { submissionId, bundle, atMs } = job;
  const versions = { formatVersion: RECORD_FORMAT, minReader: RECORD_FORMAT };
  const submission = withoutSecrets(job.submission);
  return encodeFramed(KIND, { ...versions, submissionId, bundle, atMs, submission } as Versioned);
}

/** As it is written down. */
export function withoutSecrets(submission: JobSubmission): JobSubmission {
  const flink = Object.fromEntries(
    Object.entries(submission.flink).filter(([name]) => !isSecret(name)),
  ) as unknown as FlinkSettings;
  return { ...submission, flink };
}

/** What was written down, with the secrets of whoever reads it, and what its writer did not know yet. */
export function withSecretsOf(submission: JobSubmission, own: FlinkSettings): JobSubmission {
  const { flink } = submission;
  const origins = { ...own.origins, ...flink.origins };
  return { ...submission, flink: { ...own, ...flink, origins } };
}

/**
 * @param own Settings of whoever reads it: secrets are taken from there, and what the record's writer
 * did not know yet.
 * @throws {EngineError} `CHK-001` (`corrupt`), `CHK-002` (`invalid`).
 */
export function decodeSubmittedJob(
  bytes: Uint8Array,
  path: string,
  own: FlinkSettings,
): SubmittedJob {
  const record = decodeFramed(bytes, { kind: KIND, path, reader: RECORD_FORMAT }) as Versioned &
    SubmittedJob;
  const { submissionId, submission, bundle, atMs } = record;
  return { submissionId, submission: withSecretsOf(submission, own), bundle, atMs };
}

function isSecret(name: string): boolean {
  return (SECRETS as readonly string[]).includes(name);
}
