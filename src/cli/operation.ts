/**
 * What takes longer than an answer: savepoints, checkpoints, disposals. The service goes on with it whatever
 * becomes of the command, which can be attached again by the operation's id.
 */
import pc from 'picocolors';
import { sleep, systemClock } from '../common/clock.ts';
import { randomHex, systemRandom } from '../common/random.ts';
import { operationFailed } from './cli-errors.ts';
import { EXIT } from './exit-codes.ts';
import { reasonOf, type RestClient } from './rest-client.ts';
import type { Terminal } from './terminal.ts';

const FIRST_LOOK_MS = 20;
const LOOK_MS_MAX = 500;
/** Vertices that a progress line names. */
const VERTICES_SHOWN = 6;

export interface Operation {
  /** For messages: `savepoint`. */
  readonly what: string;
  /** Where its status is asked. */
  readonly path: string;
  /** The command that waits for it again. */
  readonly attach: string;
  /** Whose acknowledgements are shown. */
  readonly jobId: string | undefined;
}

export interface OperationAnswer {
  readonly location?: string;
  readonly checkpointId?: number;
}

interface Status {
  readonly status: { readonly id: string };
  readonly operation: null | {
    readonly location?: string;
    readonly checkpointId?: number;
    readonly 'failure-cause'?: { readonly 'stack-trace': string };
  };
}

/** Names the operation from this side, so that it is known even if the service's answer is lost. */
export function newTriggerId(): string {
  return randomHex(systemRandom, 32);
}

/**
 * Waits for the operation's end.
 *
 * @throws {EngineError} `CLI-024` (`unavailable`) if it failed; `CLI-021` if the service went away.
 */
export async function waitFor(
  client: RestClient,
  operation: Operation,
  terminal: Terminal,
): Promise<OperationAnswer> {
  const stopSignals = detachOnSignals(operation);
  try {
    const progress = new Acknowledgements(client, operation.jobId);
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(waitMs * 2, LOOK_MS_MAX)) {
      const { status, operation: done } = await client.get<Status>(operation.path);
      if (status.id !== 'IN_PROGRESS') return answerOf(operation, done);
      if (terminal.isTerminal && !terminal.json) terminal.progress(await progress.line());
      await sleep(systemClock, waitMs);
    }
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'CLI-021') sayHowToAttach(operation);
    throw error;
  } finally {
    stopSignals();
  }
}

function answerOf({ what }: Operation, done: Status['operation']): OperationAnswer {
  const failure = done?.['failure-cause'];
  if (failure !== undefined) throw operationFailed(`the ${what}`, reasonOf(failure['stack-trace']));
  const { location, checkpointId } = done ?? {};
  return {
    ...(location !== undefined && { location }),
    ...(checkpointId !== undefined && { checkpointId }),
  };
}

/** An operation that goes on in the service, whatever becomes of the command. */
type Attachable = Pick<Operation, 'what' | 'attach'>;

export function sayHowToAttach({ what, attach }: Attachable): void {
  process.stderr.write(`The ${what} goes on in the service. To wait for it again: ${attach}\n`);
}

/** Ctrl-C ends the command alone, and says how to come back. */
export function detachOnSignals(operation: Attachable): () => void {
  const onSignal = (): void => {
    process.stderr.write('\n');
    sayHowToAttach(operation);
    process.exit(EXIT.interrupted);
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

interface History {
  readonly history: readonly { readonly id: number; readonly status: string }[];
}

interface Details {
  readonly num_subtasks: number;
  readonly num_acknowledged_subtasks: number;
  readonly tasks: Readonly<
    Record<string, { readonly num_subtasks: number; readonly num_acknowledged_subtasks: number }>
  >;
}

/** Which subtasks have acknowledged the snapshot that is under way. What cannot be had is left out. */
class Acknowledgements {
  readonly #client: RestClient;
  readonly #jobId: string | undefined;
  #names: ReadonlyMap<string, string> | undefined;

  constructor(client: RestClient, jobId: string | undefined) {
    this.#client = client;
    this.#jobId = jobId;
  }

  async line(): Promise<string> {
    try {
      return (await this.#read()) ?? '';
    } catch {
      return '';
    }
  }

  async #read(): Promise<string | undefined> {
    if (this.#jobId === undefined) return undefined;
    const job = `/jobs/${this.#jobId}`;
    const { history } = await this.#client.get<History>(`${job}/checkpoints`);
    const underWay = history.find(({ status }) => status === 'IN_PROGRESS');
    if (underWay === undefined) return undefined;
    this.#names ??= await this.#readNames(job);
    const details = await this.#client.get<Details>(`${job}/checkpoints/details/${underWay.id}`);
    return progressLine(details, this.#names);
  }

  async #readNames(job: string): Promise<ReadonlyMap<string, string>> {
    interface Vertices {
      readonly vertices: readonly { readonly id: string; readonly name: string }[];
    }
    const { vertices } = await this.#client.get<Vertices>(job);
    return new Map(vertices.map(({ id, name }) => [id, name]));
  }
}

const BAR_CHARS = 20;

function progressLine(
  { num_subtasks: total, num_acknowledged_subtasks: done, tasks }: Details,
  names: ReadonlyMap<string, string>,
): string {
  const full = total === 0 ? 0 : Math.floor((done / total) * BAR_CHARS);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_CHARS - full)}`;
  // Those that are waited for first: they are what a person wants to know.
  const waiting = Object.entries(tasks)
    .filter(([, task]) => task.num_acknowledged_subtasks < task.num_subtasks)
    .slice(0, VERTICES_SHOWN)
    .map(
      ([id, task]) =>
        `${names.get(id) ?? id} ${task.num_acknowledged_subtasks}/${task.num_subtasks}`,
    );
  return `${bar} ${done}/${total} subtasks  ${pc.dim(waiting.join('  '))}`;
}
