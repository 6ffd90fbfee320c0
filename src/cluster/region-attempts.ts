import type { TaskRef } from '../checkpoint/coordinator-types.ts';
import type { ExecutionPlan } from '../graph/execution-plan.ts';
import type { OperatorEvent } from '../runtime/operator.ts';
import { sumOfRestores, type RestoreProgress } from '../common/restore-progress.ts';
import { Attempt, type AttemptListener } from './attempt.ts';
import type { OperatorCoordinators } from './coordinator/operator-coordinators.ts';
import type { Deployment, TaskPlace } from './deployment.ts';
import { includesRegion, type Regions } from './job-life.ts';
import type { Restored } from './job-store.ts';

export interface RegionAttemptsOptions {
  readonly plan: ExecutionPlan;
  readonly makeDeployment: () => Deployment;
  readonly coordinators: OperatorCoordinators;
  /** @param isCurrent Whether the attempt that the listener is for has been neither cancelled nor replaced. */
  readonly listenerOf: (region: number, isCurrent: () => boolean) => AttemptListener;
}

/** The attempts of a job: at most one for each region, which is down while it has none. */
export class RegionAttempts {
  readonly #options: RegionAttemptsOptions;
  readonly #attempts = new Map<number, Attempt>();
  #cancelling = 0;

  constructor(options: RegionAttemptsOptions) {
    this.#options = options;
  }

  /** Makes the next attempts of these regions; they do not start yet. */
  make(number: number, regions: Regions, restored: Restored): void {
    const { plan, makeDeployment, coordinators, listenerOf } = this.#options;
    for (const [region, ids] of plan.regions.entries()) {
      if (!includesRegion(regions, region)) continue;
      const attempt: Attempt = new Attempt({
        number,
        vertices: plan.vertices.filter(({ id }) => ids.includes(id)),
        deployment: makeDeployment(),
        coordinators,
        restored,
        listener: listenerOf(region, () => this.#attempts.get(region) === attempt),
      });
      this.#attempts.set(region, attempt);
    }
  }

  start(regions: Regions): void {
    for (const [, attempt] of this.#of(regions)) attempt.start();
  }

  /** The input of all sources ends. */
  drain(): void {
    for (const attempt of this.#attempts.values()) attempt.drain();
  }

  /** The last checkpoint, or the savepoint of a stop, is complete: all tasks close. */
  finish(): void {
    for (const attempt of this.#attempts.values()) attempt.finish();
  }

  /** Calls `gone` after each attempt of which nothing is left. */
  cancel(regions: Regions, gone: () => void): Promise<unknown> {
    const cancelled = this.#of(regions).map(async ([region, attempt]) => {
      this.#cancelling += 1;
      try {
        await attempt.cancel();
      } finally {
        this.#cancelling -= 1;
        if (this.#attempts.get(region) === attempt) this.#attempts.delete(region);
        gone();
      }
    });
    return Promise.all(cancelled);
  }

  get areCancelling(): boolean {
    return this.#cancelling > 0;
  }

  /** Whether no region is down and this holds for each. */
  every(holds: (attempt: Attempt) => boolean): boolean {
    const { regions } = this.#options.plan;
    return this.#attempts.size === regions.length && [...this.#attempts.values()].every(holds);
  }

  /** All that run. */
  tasks(): readonly TaskRef[] {
    return [...this.#attempts.values()].flatMap((attempt) => attempt.tasks());
  }

  /** Leaves tasks out whose attempt is over. */
  forEach(tasks: readonly TaskRef[], work: (attempt: Attempt, task: TaskRef) => void): void {
    for (const task of tasks) {
      for (const attempt of this.#attempts.values()) {
        if (attempt.number === task.attempt && attempt.has(task.vertex)) work(attempt, task);
      }
    }
  }

  /** From a source's enumerator to a reader of the same attempt. */
  operatorEvent(uid: string, attempt: number, subtask: number, event: OperatorEvent): void {
    const region = this.regionOf(uid);
    const target = region === undefined ? undefined : this.#attempts.get(region);
    if (target?.number === attempt) target.operatorEvent(uid, subtask, event);
  }

  recordsRead(): number {
    let sum = 0;
    for (const attempt of this.#attempts.values()) sum += attempt.recordsRead();
    return sum;
  }

  restoreProgress(): RestoreProgress | undefined {
    return sumOfRestores([...this.#attempts.values()].map((attempt) => attempt.restoreProgress()));
  }

  /** The attempt of a subtask's region that is there now, and where the subtask runs. */
  placeOf(task: Pick<TaskRef, 'vertex' | 'subtask'>): TaskPlace | undefined {
    for (const attempt of this.#attempts.values()) {
      const place = attempt.placeOf(task);
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /** Where an operator runs; undefined if the job has none of that uid. */
  regionOf(uid: string): number | undefined {
    const { plan } = this.#options;
    const vertex = plan.vertices.find(({ operators }) => operators.some((one) => one.uid === uid));
    const region = plan.regions.findIndex((ids) => vertex !== undefined && ids.includes(vertex.id));
    return region === -1 ? undefined : region;
  }

  verticesOf(regions: Regions): readonly string[] {
    return this.#options.plan.regions.flatMap((ids, region) =>
      includesRegion(regions, region) ? ids : [],
    );
  }

  /** Uids. */
  sinksOf(regions: Regions): readonly string[] {
    const ids = this.verticesOf(regions);
    return this.#options.plan.vertices
      .filter(({ id }) => ids.includes(id))
      .flatMap(({ operators }) => operators.filter(({ kind }) => kind === 'sink'))
      .map(({ uid }) => uid);
  }

  #of(regions: Regions): [number, Attempt][] {
    return [...this.#attempts].filter(([region]) => includesRegion(regions, region));
  }
}
