import { assert } from '../../common/assert.ts';
import type { Transport } from '../../common/transport.ts';
import { ThreadLink, type ThreadLinkEnd } from '../../runtime/ring-link.ts';
import type { SlotLink } from '../../runtime/slot-link.ts';
import { SocketLink } from '../../runtime/socket-link.ts';
import { PeerSockets } from './peer-sockets.ts';
import type { SlotDeploy } from './slot-protocol.ts';

/**
 * The links of one slot: to a neighbour one that stays as long as both live, to a slot of another
 * process one for each deployment.
 */
export class SlotLinks {
  readonly #neighbours = new Map<number, ThreadLink>();
  readonly #sockets: PeerSockets;

  constructor(transport: Transport) {
    this.#sockets = new PeerSockets(transport);
  }

  /** @returns Where slots of other processes connect. */
  listen(): Promise<string> {
    return this.#sockets.listen();
  }

  /** A neighbour is there, or another one in its place. */
  neighbour(index: number, end: ThreadLinkEnd): void {
    this.#neighbours.get(index)?.close();
    this.#neighbours.set(index, new ThreadLink(end));
  }

  open({ deployment, slot, peers, channels }: SlotDeploy): DeploymentLinks {
    const neighbours = new Map<number, SlotLink>();
    const remote = new Map<number, SlotLink>();
    for (const peer of peers) {
      if (peer.kind === 'remote') {
        remote.set(peer.slot, new SocketLink(this.#sockets.open(deployment, slot, peer)));
        continue;
      }
      const link = this.#neighbours.get(peer.index);
      assert(link !== undefined, `there is no neighbour ${peer.index}`);
      neighbours.set(peer.slot, link);
    }
    const numbers = channels.map(({ number }) => number);
    return new DeploymentLinks(neighbours, remote, numbers, () => {
      this.#sockets.forget(deployment);
    });
  }

  close(): void {
    for (const link of this.#neighbours.values()) link.close();
    this.#sockets.close();
  }
}

/** The links of one deployment. */
export class DeploymentLinks {
  readonly #neighbours: ReadonlyMap<number, SlotLink>;
  readonly #remote: ReadonlyMap<number, SlotLink>;
  readonly #channels: readonly number[];
  readonly #forget: () => void;

  constructor(
    neighbours: ReadonlyMap<number, SlotLink>,
    remote: ReadonlyMap<number, SlotLink>,
    channels: readonly number[],
    forget: () => void,
  ) {
    this.#neighbours = neighbours;
    this.#remote = remote;
    this.#channels = channels;
    this.#forget = forget;
  }

  to(slot: number): SlotLink {
    const link = this.#neighbours.get(slot) ?? this.#remote.get(slot);
    assert(link !== undefined, `there is no link to slot ${slot}`);
    return link;
  }

  /** All ends of channels are closed. */
  close(): void {
    this.#forget();
    for (const channel of this.#channels) {
      for (const link of this.#neighbours.values()) link.remove(channel);
    }
    for (const link of this.#remote.values()) link.close();
  }
}
