import { assert } from '../../common/assert.ts';
import type { JobEdge, JobGraph } from '../../graph/job-graph.ts';
import type { ChannelReader, ChannelWriter } from '../../runtime/channel.ts';
import { LocalChannel } from '../../runtime/local-channel.ts';
import type { SlotLink } from '../../runtime/slot-link.ts';
import type { ChannelId } from './slot-protocol.ts';

export interface SlotExchangeOptions {
  readonly slot: number;
  readonly graph: JobGraph;
  readonly channels: readonly ChannelId[];
  /** Of the channels inside this process, by number. */
  readonly rings: ReadonlyMap<number, SharedArrayBuffer>;
  readonly linkTo: (slot: number) => SlotLink;
}

/**
 * The channels of one deployment in one slot: to the slot itself a queue, to a neighbour a ring, to a
 * slot of another process a socket. Each end is made once, when the task that has it is made.
 */
export class SlotExchange {
  readonly #options: SlotExchangeOptions;
  readonly #parallelism: ReadonlyMap<string, number>;
  readonly #channels = new Map<string, ChannelId>();
  readonly #local = new Map<string, LocalChannel>();

  constructor(options: SlotExchangeOptions) {
    this.#options = options;
    const { vertices } = options.graph;
    this.#parallelism = new Map(vertices.map((vertex) => [vertex.id, vertex.parallelism]));
    for (const channel of options.channels) {
      this.#channels.set(channelKey(channel.edgeId, channel.from, channel.to), channel);
    }
  }

  /** What this slot's subtask writes to, in the order of the receivers. */
  outputsOf(edge: JobEdge): readonly ChannelWriter[] {
    const { slot, rings, linkTo } = this.#options;
    return this.#others(edge, edge.toVertex).map((to) => {
      if (to === slot) return this.#queue(edge).writer;
      const { number } = this.#channel(edge, slot, to);
      return linkTo(to).writer(number, rings.get(number));
    });
  }

  /** What this slot's subtask reads from, in the order of the senders. */
  inputsOf(edge: JobEdge): readonly ChannelReader[] {
    const { slot, rings, linkTo } = this.#options;
    return this.#others(edge, edge.fromVertex).map((from) => {
      if (from === slot) return this.#queue(edge).reader;
      const { number } = this.#channel(edge, from, slot);
      return linkTo(from).reader(number, rings.get(number));
    });
  }

  /** The subtasks at the other side. */
  #others(edge: JobEdge, vertex: string): number[] {
    if (edge.partitioner.kind === 'forward') return [this.#options.slot];
    return Array.from({ length: this.#parallelism.get(vertex) ?? 0 }, (_, subtask) => subtask);
  }

  #queue(edge: JobEdge): LocalChannel {
    const known = this.#local.get(edge.id) ?? new LocalChannel();
    this.#local.set(edge.id, known);
    return known;
  }

  #channel(edge: JobEdge, from: number, to: number): ChannelId {
    const channel = this.#channels.get(channelKey(edge.id, from, to));
    assert(channel !== undefined, `no channel for ${edge.id} from ${from} to ${to}`);
    return channel;
  }
}

function channelKey(edgeId: string, from: number, to: number): string {
  return `${edgeId}\u0000${from}\u0000${to}`;
}
