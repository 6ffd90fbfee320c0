/** What requests name, looked up; who names something that is not there is told in Flink's words. */
import type { CheckpointStatistics } from '../checkpoint/checkpoint-history.ts';
import type {
  Cluster,
  JobView,
  SubtaskView,
  TaskManagerView,
} from '../cluster/dispatcher/cluster.ts';
import type { ExecutionVertex } from '../graph/execution-plan.ts';
import { flinkId, isFlinkId } from './flink-ids.ts';
import { badRequestError, notFoundError } from './rest-error.ts';

export type Parameters = Readonly<Record<string, string | undefined>>;

export function jobOf(cluster: Cluster, parameters: Parameters): JobView {
  const id = idOf('jobid', parameters);
  const found = cluster.jobs().find(({ jobId }) => jobId === id);
  if (found === undefined) throw notFoundError(`Job ${id} not found`);
  return found;
}

export function vertexOf({ plan }: JobView, parameters: Parameters): ExecutionVertex {
  const wanted = idOf('vertexid', parameters);
  const found = plan.vertices.find(({ id }) => flinkId(id) === wanted);
  if (found === undefined) throw notFoundError(`JobVertex ${wanted} not found`);
  return found;
}

export function subtaskOf(
  job: JobView,
  { id }: ExecutionVertex,
  parameters: Parameters,
): SubtaskView {
  const index = numberOf('subtaskindex', parameters);
  const found = job.subtasks(id).find(({ subtask }) => subtask === index);
  if (found === undefined)
    throw notFoundError(`Subtask ${index} not found in vertex ${flinkId(id)}`);
  return found;
}

export function checkpointOf(job: JobView, parameters: Parameters): CheckpointStatistics {
  const id = numberOf('checkpointid', parameters);
  const found = job.checkpoints().find(({ checkpointId }) => checkpointId === id);
  if (found === undefined)
    throw notFoundError(`Could not find checkpointing statistics for checkpoint ${id}.`);
  return found;
}

export function taskManagerOf(cluster: Cluster, parameters: Parameters): TaskManagerView {
  const { taskmanagerid } = parameters;
  const found = cluster.taskManagers().find(({ id }) => id === taskmanagerid);
  if (found === undefined)
    throw notFoundError(`No TaskExecutor registered under ${taskmanagerid ?? ''}.`);
  return found;
}

export function idOf(name: string, { [name]: text = '' }: Parameters): string {
  if (!isFlinkId(text)) throw unreadable(name, text);
  return text.toLowerCase();
}

function numberOf(name: string, { [name]: text = '' }: Parameters): number {
  if (!/^\d{1,15}$/.test(text)) throw unreadable(name, text);
  return Number(text);
}

/** A whole number of the query, within bounds. */
export function countOf(name: string, { [name]: text }: Parameters, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1)
    throw badRequestError(`Cannot resolve query parameter (${name}) from value "${text}".`);
  return Number(text);
}

function unreadable(name: string, text: string) {
  return badRequestError(
    `could not parse parameters: Cannot resolve path parameter (${name}) from value "${text}".`,
  );
}

/** Fields of a JSON body; what is not asked for is ignored, as Flink does. */
export class Body {
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(body: unknown) {
    if (body === null || body === undefined) this.#fields = {};
    else if (typeof body === 'object' && !Array.isArray(body))
      this.#fields = body as Record<string, unknown>;
    else throw badRequestError('the body must be a JSON object');
  }

  text(name: string): string | undefined {
    return this.#field(name, 'a string', isText);
  }

  flag(name: string): boolean | undefined {
    return this.#field(name, 'true or false', (value) => typeof value === 'boolean');
  }

  number(name: string): number | undefined {
    return this.#field(name, 'a number', (value) => typeof value === 'number');
  }

  texts(name: string): readonly string[] | undefined {
    return this.#field(
      name,
      'a list of strings',
      (value): value is string[] => Array.isArray(value) && value.every(isText),
    );
  }

  textMap(name: string): Readonly<Record<string, string>> | undefined {
    return this.#field(
      name,
      'an object of strings',
      (value): value is Record<string, string> =>
        typeof value === 'object' &&
        !Array.isArray(value) &&
        Object.values(value ?? {}).every(isText),
    );
  }

  /** An object of anything. */
  record(name: string): Readonly<Record<string, unknown>> {
    const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
      typeof value === 'object' && !Array.isArray(value);
    return this.#field(name, 'an object', isRecord) ?? {};
  }

  /** One of Flink's words. */
  word<const W extends string>(name: string, words: readonly W[]): W | undefined {
    const isWord = (value: unknown): value is W => isText(value) && words.some((w) => w === value);
    return this.#field(name, words.join(' or '), isWord);
  }

  /** 32 hex digits that the client chose itself. */
  id(name: string): string | undefined {
    const isId = (value: unknown): value is string => isText(value) && isFlinkId(value);
    return this.#field(name, '32 hex digits', isId)?.toLowerCase();
  }

  #field<T>(name: string, accepts: string, isGood: (value: unknown) => value is T): T | undefined {
    const value = Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
    if (value === undefined || value === null) return undefined;
    if (!isGood(value)) throw badRequestError(`"${name}" must be ${accepts}`);
    return value;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
