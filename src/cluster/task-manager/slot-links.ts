import { assert } from '../../common/assert.ts';
import type { Transport } from '../../common/transport.ts';
import { ThreadLink, type LinkPort, type ThreadLinkEnd } from '../../runtime/ring-link.ts';
import type { SlotLink } from '../../runtime/slot-link.ts';
import { SocketLink } from '../../runtime/socket-link.ts';
import type { HeldConnection } from './held-connection.ts';
import { PeerSockets, type RemotePeer } from './peer-sockets.ts';
import type { DeploymentId, SlotDeploy } from './slot-protocol.ts';

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
  neighbour(index: number, end: ThreadLinkEnd<LinkPort>): void {
    this.#neighbours.get(index)?.close();
    this.#neighbours.set(index, new ThreadLink(end));
  }

  open({ deployment, slot, peers, channels }: SlotDeploy): DeploymentLinks {
    const neighbours = new Map<number, ThreadLink>();
    const remote: RemotePeer[] = [];
    for (const peer of peers) {
      if (peer.kind === 'remote') {
        remote.push(peer);
        continue;
      }
      const link = this.#neighbours.get(peer.index);
      assert(link !== undefined, `there is no neighbour ${peer.index}`);
      neighbours.set(peer.slot, link);
    }
    return new DeploymentLinks({
      deployment,
      neighbours,
      remote: remote.map((peer) => peer.slot),
      channels: channels.map(({ number }) => number),
      connections: this.#sockets.open(deployment, slot, remote),
      forget: () => {
        this.#sockets.forget(deployment);
      },
    });
  }

  close(): void {
    for (const link of this.#neighbours.values()) link.close();
    this.#sockets.close();
  }
}

interface DeploymentLinksOptions {
  readonly deployment: DeploymentId;
  readonly neighbours: ReadonlyMap<number, SlotLink>;
  readonly remote: readonly number[];
  readonly channels: readonly number[];
  /** To `remote`, in that order. */
  readonly connections: readonly Promise<HeldConnection>[];
  readonly forget: () => void;
}

/** The links of one deployment. */
export class DeploymentLinks {
  readonly #options: DeploymentLinksOptions;
  readonly #links = new Map<number, SlotLink>();
  readonly #connections: HeldConnection[] = [];
  #closed = false;

  constructor(options: DeploymentLinksOptions) {
    this.#options = options;
    for (const [slot, link] of options.neighbours) this.#links.set(slot, link);
    for (const connecting of options.connections) {
      // Also one that is made after somebody else has failed, or after the end.
      connecting.then(
        (connection) => {
          if (this.#closed) connection.destroy();
          else this.#connections.push(connection);
        },
        () => undefined,
      );
    }
  }

  /**
   * Resolves when all slots are connected; never, after `close`.
   *
   * @throws {EngineError} `COM-003`, `COM-004` (`unavailable`) if a peer is not there.
   */
  async connect(): Promise<void> {
    const connections = await Promise.all(this.#options.connections);
    connections.forEach((connection, at) => {
      const slot = this.#options.remote[at];
      assert(slot !== undefined, 'a connection to nobody');
      this.#links.set(slot, new SocketLink(connection));
    });
  }

  to(slot: number): SlotLink {
    const link = this.#links.get(slot);
    assert(link !== undefined, `there is no link to slot ${slot}`);
    return link;
  }

  /** All channels are made: what peers have sent may come. */
  release(): void {
    for (const connection of this.#connections) connection.release();
  }

  /** All ends of channels are closed. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.forget();
    for (const channel of this.#options.channels) {
      for (const link of this.#options.neighbours.values()) link.remove(channel);
    }
    for (const slot of this.#options.remote) this.#links.get(slot)?.close();
    for (const connection of this.#connections) connection.close();
  }
}
