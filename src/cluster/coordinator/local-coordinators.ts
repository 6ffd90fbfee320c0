import { assert } from '../../common/assert.ts';
import type { CommitResult } from '../../contracts/sink.ts';
import type { SerializedCommittable } from '../../contracts/snapshots.ts';
import type { Source, World } from '../../contracts/source.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import type { OperatorEvent } from '../../runtime/operator.ts';
import type {
  CoordinatorListener,
  OperatorCoordinators,
  SourceStart,
} from './operator-coordinators.ts';
import type { Ancestry, WriterIdentity } from '../writer-id.ts';
import { SinkCommitters, sinksOf } from './sink-committers.ts';
import { SourceCoordinator } from './source-coordinator.ts';

export interface LocalCoordinatorsOptions {
  readonly jobGraph: JobGraph;
  readonly world: World;
  readonly identity: WriterIdentity;
  readonly ancestry: Ancestry;
}

interface Running {
  readonly attempt: number;
  readonly coordinator: SourceCoordinator;
}

/** The job's coordinators in this thread. */
export class LocalCoordinators implements OperatorCoordinators {
  readonly #world: World;
  readonly #committers: SinkCommitters;
  readonly #sources: ReadonlyMap<string, Source<unknown>>;
  readonly #running = new Map<string, Running>();
  #listener: CoordinatorListener | undefined;

  constructor({ jobGraph, world, identity, ancestry }: LocalCoordinatorsOptions) {
    this.#world = world;
    this.#committers = new SinkCommitters({
      identity,
      ancestry,
      world,
      sinks: sinksOf(jobGraph),
    });
    this.#sources = sourcesOf(jobGraph);
  }

  listen(listener: CoordinatorListener): void {
    this.#listener = listener;
  }

  startSources(attempt: number, sources: readonly SourceStart[]): void {
    for (const start of sources) {
      try {
        this.#start(attempt, start);
      } catch (error) {
        this.#failed(start.uid, attempt, error);
      }
    }
  }

  async stopSources(uids: readonly string[]): Promise<void> {
    const stopped = uids.flatMap((uid) => this.#running.get(uid) ?? []);
    for (const uid of uids) this.#running.delete(uid);
    await Promise.all(stopped.map(({ coordinator }) => coordinator.close()));
  }

  operatorEvent(uid: string, attempt: number, subtask: number, event: OperatorEvent): void {
    const running = this.#running.get(uid);
    if (running?.attempt !== attempt) return;
    try {
      running.coordinator.operatorEvent(subtask, event);
    } catch (error) {
      this.#failed(uid, attempt, error);
    }
  }

  // Taken at once, in the order of the calls: `async` is for those who throw.
  async snapshot(checkpointId: number): Promise<Readonly<Record<string, string>>> {
    return Object.fromEntries(
      [...this.#running].map(([uid, { coordinator }]) => [
        uid,
        Buffer.from(coordinator.snapshot(checkpointId)).toString('base64'),
      ]),
    );
  }

  release(checkpointId: number): void {
    for (const { coordinator } of this.#running.values()) coordinator.release(checkpointId);
  }

  commit(committables: readonly SerializedCommittable[]): Promise<readonly CommitResult[]> {
    return this.#committers.commit(committables);
  }

  abortLeftovers(uids: readonly string[]): Promise<void> {
    return this.#committers.abortLeftovers(uids);
  }

  async close(): Promise<void> {
    await this.stopSources([...this.#running.keys()]);
    await this.#committers.close();
  }

  #start(attempt: number, { uid, parallelism, from }: SourceStart): void {
    const source = this.#sources.get(uid);
    assert(source !== undefined, `the job has no source ${uid}`);
    const coordinator = new SourceCoordinator({
      uid,
      source,
      parallelism,
      world: this.#world,
      from: from === undefined ? undefined : Buffer.from(from, 'base64'),
      send: (subtask, event) => {
        this.#listener?.send(uid, attempt, subtask, event);
      },
      fail: (error) => {
        this.#failed(uid, attempt, error);
      },
    });
    this.#running.set(uid, { attempt, coordinator });
    coordinator.start().catch((error: unknown) => {
      this.#failed(uid, attempt, error);
    });
  }

  #failed(uid: string, attempt: number, error: unknown): void {
    const running = this.#running.get(uid);
    // One that could not even be made is not there.
    if (running === undefined || running.attempt === attempt) this.#listener?.failed(error, uid);
  }
}

function sourcesOf(graph: JobGraph): ReadonlyMap<string, Source<unknown>> {
  const sources = new Map<string, Source<unknown>>();
  for (const { node } of graph.vertices.flatMap(({ operators }) => operators)) {
    if (node.spec.kind === 'source') sources.set(node.uid, node.spec.source as Source<unknown>);
  }
  return sources;
}
