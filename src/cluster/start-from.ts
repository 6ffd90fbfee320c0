import type { ClaimMode } from '../checkpoint/claim.ts';

/** Where a submission starts from; the default is the resume rule. Plain data. */
export type StartFrom =
  /** With a job id: goes on with that very run, or not at all. */
  | { readonly kind: 'resume'; readonly jobId?: string }
  | { readonly kind: 'fresh' }
  /**
   * A checkpoint's or savepoint's URL, or its path in the job's storage. `latest`: the newest of the
   * job's savepoints and of what its last run has retained, or was stopped with; `<folder>/savepoint-latest`: the newest
   * complete savepoint of the job in that folder.
   */
  | { readonly kind: 'snapshot'; readonly path: string; readonly claimMode?: ClaimMode }
  /**
   * A job of its own that begins with the state of another one, which goes on undisturbed. `of`: a snapshot's
   * URL or path, or the name or id of a job in the storage, for its latest checkpoint.
   */
  | { readonly kind: 'fork'; readonly of: string };

/** What a fork is called that was given no name. */
const FORK = '-fork';

/** The name under which a job runs whose code calls itself `defined`. */
export function jobNameFor(from: StartFrom, given: string | undefined, defined: string): string {
  return given ?? (from.kind === 'fork' ? `${defined}${FORK}` : defined);
}
