import { assert } from '../common/assert.ts';
import type { JobEdge, JobGraph } from '../graph/job-graph.ts';
import type { ChannelReader, ChannelWriter } from '../runtime/channel.ts';
import { LocalChannel } from '../runtime/local-channel.ts';
import type { ThreadLink } from '../runtime/ring-link.ts';
import type { SlotChannel } from './slot-protocol.ts';

/**
 * The channels of one slot: to the slot itself a queue, to another one a ring. Each end is made once,
 * when the task that has it is made.
 */
export class SlotExchange {
  readonly #slot: number;
  readonly #parallelism: ReadonlyMap<string, number>;
  readonly #channels = new Map<string, SlotChannel>();
  readonly #local = new Map<string, LocalChannel>();
  readonly #linkTo: (peer: number) => ThreadLink;

  constructor(
    slot: number,
    graph: JobGraph,
    channels: readonly SlotChannel[],
    linkTo: (peer: number) => ThreadLink,
  ) {
    this.#slot = slot;
    this.#parallelism = new Map(graph.vertices.map((vertex) => [vertex.id, vertex.parallelism]));
    this.#linkTo = linkTo;
    for (const channel of channels) {
      this.#channels.set(channelKey(channel.edgeId, channel.from, channel.to), channel);
    }
  }

  /** What this slot's subtask writes to, in the order of the receivers. */
  outputsOf(edge: JobEdge): readonly ChannelWriter[] {
    return this.#others(edge, edge.toVertex).map((to) => {
      if (to === this.#slot) return this.#queue(edge).writer;
      const { number, memory } = this.#channel(edge, this.#slot, to);
      return this.#linkTo(to).writer(number, memory);
    });
  }

  /** What this slot's subtask reads from, in the order of the senders. */
  inputsOf(edge: JobEdge): readonly ChannelReader[] {
    return this.#others(edge, edge.fromVertex).map((from) => {
      if (from === this.#slot) return this.#queue(edge).reader;
      const { number, memory } = this.#channel(edge, from, this.#slot);
      return this.#linkTo(from).reader(number, memory);
    });
  }

  /** The subtasks at the other side. */
  #others(edge: JobEdge, vertex: string): number[] {
    if (edge.partitioner.kind === 'forward') return [this.#slot];
    return Array.from({ length: this.#parallelism.get(vertex) ?? 0 }, (_, subtask) => subtask);
  }

  #queue(edge: JobEdge): LocalChannel {
    const known = this.#local.get(edge.id) ?? new LocalChannel();
    this.#local.set(edge.id, known);
    return known;
  }

  #channel(edge: JobEdge, from: number, to: number): SlotChannel {
    const channel = this.#channels.get(channelKey(edge.id, from, to));
    assert(channel !== undefined, `no ring for ${edge.id} from ${from} to ${to}`);
    return channel;
  }
}

function channelKey(edgeId: string, from: number, to: number): string {
  return `${edgeId}\u0000${from}\u0000${to}`;
}
