import { ambiguousJob, noSuchJob } from './cli-errors.ts';
import type { RestClient } from './rest-client.ts';

/** A job as `/jobs/overview` has it; times in milliseconds. */
export interface JobOverview {
  readonly jid: string;
  readonly name: string;
  readonly state: string;
  readonly 'start-time': number;
  readonly 'end-time': number;
  readonly duration: number;
  readonly tasks: { readonly running: number; readonly total: number };
}

export async function allJobs(client: RestClient): Promise<readonly JobOverview[]> {
  const { jobs } = await client.get<{ readonly jobs: readonly JobOverview[] }>('/jobs/overview');
  return jobs;
}

const ENDED = new Set(['FINISHED', 'FAILED', 'CANCELED']);

export function isOver({ state }: JobOverview): boolean {
  return ENDED.has(state);
}

/**
 * The job that is meant by an id, the beginning of an id, or a name. Of several of one name, the one that is
 * not over; when all are over, the latest.
 *
 * @throws {EngineError} `CLI-022`, `CLI-023` (`invalid`) if there is none, or several.
 */
export async function findJob(client: RestClient, given: string): Promise<JobOverview> {
  return jobMeant(await allJobs(client), given);
}

/** The same among jobs that are known already. */
export function jobMeant(jobs: readonly JobOverview[], given: string): JobOverview {
  const exact = jobs.find(({ jid }) => jid === given);
  if (exact !== undefined) return exact;
  const named = jobs.filter(({ name }) => name === given);
  const alive = named.filter((job) => !isOver(job));
  if (alive.length > 1) throw ambiguousJob(given, alive.map(textOf));
  const [latest] = named.toSorted((a, b) => b['start-time'] - a['start-time']);
  const ofName = alive[0] ?? latest;
  if (ofName !== undefined) return ofName;
  const begun = given === '' ? [] : jobs.filter(({ jid }) => jid.startsWith(given.toLowerCase()));
  if (begun.length > 1) throw ambiguousJob(given, begun.map(textOf));
  const [only] = begun;
  if (only === undefined) throw noSuchJob(given, jobs.slice(0, 10).map(textOf));
  return only;
}

function textOf({ jid, name }: JobOverview): string {
  return `${name} (${jid})`;
}
