import type { ExecutionPlan } from '../graph/execution-plan.ts';
import type { TaskId } from '../runtime/gateways.ts';
import { taskKey, type TaskPlace } from './deployment.ts';

/** Flink's names. */
export type TaskStatus =
  'CREATED' | 'DEPLOYING' | 'RUNNING' | 'FINISHED' | 'CANCELING' | 'CANCELED' | 'FAILED';

/** What became of the last execution of one subtask of a vertex. Times are wall time. */
export interface SubtaskLife {
  readonly subtask: number;
  readonly attempt: number;
  readonly status: TaskStatus;
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  /** Where it runs or ran, and what it said last. */
  readonly place: TaskPlace | undefined;
}

const OVER: ReadonlySet<TaskStatus> = new Set(['FINISHED', 'CANCELED', 'FAILED']);

type Place = (task: Pick<TaskId, 'vertex' | 'subtask'>) => TaskPlace | undefined;

/** The subtasks of a job, for people: what each of them is doing, or did last. */
export class SubtaskTable {
  readonly #wallMs: () => number;
  readonly #placeOf: Place;
  readonly #lives = new Map<string, SubtaskLife>();
  readonly #parallelism: ReadonlyMap<string, number>;

  /** @param placeOf Of those that run now. */
  constructor({ vertices }: ExecutionPlan, wallMs: () => number, placeOf: Place) {
    this.#wallMs = wallMs;
    this.#placeOf = placeOf;
    this.#parallelism = new Map(vertices.map(({ id, parallelism }) => [id, parallelism]));
  }

  of(vertex: string): readonly SubtaskLife[] {
    return Array.from({ length: this.#parallelism.get(vertex) ?? 0 }, (_, subtask) => {
      const life = this.#life(vertex, subtask);
      return { ...life, place: this.#placeOf({ vertex, subtask }) ?? life.place };
    });
  }

  deploying(attempt: number, vertices: readonly string[]): void {
    this.#each(vertices, (vertex, { subtask }) => {
      const startMs = this.#wallMs();
      const life = { subtask, attempt, status: 'DEPLOYING', startMs, endMs: undefined } as const;
      this.#lives.set(taskKey({ vertex, subtask }), { ...life, place: undefined });
    });
  }

  /** What has been told of the attempt before counts for nothing. */
  moved({ vertex, subtask, attempt }: TaskId, status: 'RUNNING' | 'FINISHED' | 'FAILED'): void {
    const life = this.#life(vertex, subtask);
    if (life.attempt === attempt && !OVER.has(life.status)) this.#set(vertex, life, status);
  }

  canceling(vertices: readonly string[]): void {
    this.#each(vertices, (vertex, life) => {
      if (!OVER.has(life.status) && life.status !== 'CREATED') this.#set(vertex, life, 'CANCELING');
    });
  }

  /** Nothing of them is left. */
  canceled(vertices: readonly string[]): void {
    this.#each(vertices, (vertex, life) => {
      if (life.status === 'CANCELING') this.#set(vertex, life, 'CANCELED');
    });
  }

  #life(vertex: string, subtask: number): SubtaskLife {
    const none = { startMs: undefined, endMs: undefined, place: undefined };
    const known = this.#lives.get(taskKey({ vertex, subtask }));
    return known ?? { subtask, attempt: 0, status: 'CREATED', ...none };
  }

  #set(vertex: string, life: SubtaskLife, status: TaskStatus): void {
    const { subtask } = life;
    const endMs = OVER.has(status) ? this.#wallMs() : undefined;
    const place = this.#placeOf({ vertex, subtask }) ?? life.place;
    this.#lives.set(taskKey({ vertex, subtask }), { ...life, status, endMs, place });
  }

  #each(vertices: readonly string[], act: (vertex: string, life: SubtaskLife) => void): void {
    for (const vertex of vertices) {
      const count = this.#parallelism.get(vertex) ?? 0;
      for (let subtask = 0; subtask < count; subtask += 1) act(vertex, this.#life(vertex, subtask));
    }
  }
}
