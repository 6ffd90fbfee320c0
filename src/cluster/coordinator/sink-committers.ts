import { EngineError } from '../../common/errors.ts';
import type { Committer, CommitResult, Sink, Stamped } from '../../contracts/sink.ts';
import type { World } from '../../contracts/source.ts';
import type { JobGraph } from '../../graph/job-graph.ts';
import { ByteReader } from '../../serde/bytes.ts';
import type { SerializedCommittable } from '../../contracts/snapshots.ts';
import { isLeftoverOf, type Ancestry, type WriterIdentity } from '../writer-id.ts';

export interface SinkCommittersOptions {
  readonly identity: WriterIdentity;
  readonly ancestry: Ancestry;
  readonly world: World;
  readonly sinks: ReadonlyMap<string, Sink<unknown>>;
}

/**
 * The job's committers, one per sink. Called with the committables of completed checkpoints only.
 */
export class SinkCommitters {
  readonly #committers = new Map<string, { sink: Sink<unknown>; committer: Committer<unknown> }>();

  constructor(options: SinkCommittersOptions) {
    const { world, identity, ancestry } = options;
    const { lineage } = identity;
    const { forkedFrom } = ancestry;
    const isLeftover = (writerId: string): boolean =>
      isLeftoverOf(identity, ancestry.jobIds, writerId);
    for (const [uid, sink] of options.sinks) {
      const committer = sink.committer?.({ world, uid, lineage, forkedFrom, isLeftover });
      if (committer !== undefined) this.#committers.set(uid, { sink, committer });
    }
  }

  /**
   * Commits, each sink in the order of checkpoints, and says what became of each. Sinks do not wait for each other,
   * but the answer is there when all have theirs: a committer is never called a second time meanwhile.
   *
   * @throws {EngineError} `JOB-003` (`invalid`) for committables of a sink that this job does not have,
   * `JOB-004` if the sink has a committer and no serializer for them; nothing is committed then. What the first
   * committer threw that did.
   */
  async commit(committables: readonly SerializedCommittable[]): Promise<CommitResult[]> {
    const batches = [...new Set(committables.map(({ uid }) => uid))].map((uid) => {
      const indexes = committables.flatMap((one, index) => (one.uid === uid ? [index] : []));
      const { sink, committer } = this.#entryOf(uid, indexes.length);
      return { indexes, committer, stamped: indexes.map((at) => decode(sink, committables[at])) };
    });
    const results = new Array<CommitResult>(committables.length).fill('retry');
    const done = batches.map(async ({ indexes, committer, stamped }) => {
      const answers = await committer.commit(stamped);
      indexes.forEach((index, position) => {
        results[index] = answers[position] ?? 'retry';
      });
    });
    await allOf(done);
    return results;
  }

  /** Of these sinks: others may have writers that are at work. */
  async abortLeftovers(uids: readonly string[]): Promise<void> {
    await allOf(uids.map(async (uid) => this.#committers.get(uid)?.committer.abortLeftovers?.()));
  }

  async close(): Promise<void> {
    await allOf([...this.#committers.values()].map(async ({ committer }) => committer.close?.()));
  }

  #entryOf(uid: string, count: number): { sink: Sink<unknown>; committer: Committer<unknown> } {
    const entry = this.#committers.get(uid);
    if (entry !== undefined) return entry;
    throw new EngineError(
      'JOB-003',
      'invalid',
      'the checkpoint holds output of a sink that this job does not have',
      {
        details: { uid, committables: count },
        hint: 'Put the old sink back under this uid; or, to drop its output, give the new one another uid and pass --allowNonRestoredState.',
      },
    );
  }
}

/** Waits for all, whatever becomes of some; then throws what the first of them threw. */
async function allOf(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** The sinks of a job by uid. */
export function sinksOf(graph: JobGraph): ReadonlyMap<string, Sink<unknown>> {
  const sinks = new Map<string, Sink<unknown>>();
  for (const { node } of graph.vertices.flatMap(({ operators }) => operators)) {
    if (node.spec.kind === 'sink') sinks.set(node.uid, node.spec.sink);
  }
  return sinks;
}

function decode(sink: Sink<unknown>, one: SerializedCommittable | undefined): Stamped<unknown> {
  if (one === undefined || sink.committables === undefined) {
    throw new EngineError(
      'JOB-004',
      'invalid',
      'the sink takes no committables, the checkpoint holds some',
      {
        hint: 'Add committables, the serializer, to this sink; or give another sink another uid.',
      },
    );
  }
  const bytes = Buffer.from(one.base64, 'base64');
  return {
    checkpointId: one.checkpointId,
    subtask: one.subtask,
    committable: sink.committables.read(new ByteReader(bytes)),
  };
}
