import { assert } from '../common/assert.ts';
import type { JobEdge, JobGraph } from '../graph/job-graph.ts';
import { LocalChannel } from '../runtime/local-channel.ts';

/** All channels of a job whose tasks run in one thread: one per edge and pair of subtasks. */
export class LocalExchange {
  readonly #channels = new Map<string, LocalChannel[][]>();

  constructor(graph: JobGraph) {
    const parallelism = new Map(graph.vertices.map((vertex) => [vertex.id, vertex.parallelism]));
    for (const edge of graph.vertices.flatMap(({ outputs }) => outputs)) {
      const senders = parallelism.get(edge.fromVertex) ?? 0;
      const receivers = parallelism.get(edge.toVertex) ?? 0;
      // A forward edge joins equal numbers only: one channel per sender.
      const width = edge.partitioner.kind === 'forward' ? 1 : receivers;
      this.#channels.set(
        edge.id,
        Array.from({ length: senders }, () =>
          Array.from({ length: width }, () => new LocalChannel()),
        ),
      );
    }
  }

  /** What subtask `from` writes to, in the order of the receivers. */
  outputsOf(edge: JobEdge, from: number): readonly LocalChannel[] {
    return this.#edge(edge)[from] ?? [];
  }

  /** What subtask `to` reads from, in the order of the senders. */
  inputsOf(edge: JobEdge, to: number): readonly LocalChannel[] {
    const channels = this.#edge(edge);
    if (edge.partitioner.kind === 'forward') return channels[to] ?? [];
    return channels.flatMap((row) => row[to] ?? []);
  }

  #edge(edge: JobEdge): LocalChannel[][] {
    const channels = this.#channels.get(edge.id);
    assert(channels !== undefined, `no channels for edge ${edge.id}`);
    return channels;
  }
}
