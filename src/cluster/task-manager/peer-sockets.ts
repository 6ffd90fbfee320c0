import {
  firstFrame,
  type Connection,
  type Listener,
  type Transport,
} from '../../common/transport.ts';
import { ByteReader, ByteWriter } from '../../serde/bytes.ts';
import { readAny, writeAny } from '../../serde/msgpack.ts';
import { deploymentKey, type DeploymentId } from './slot-protocol.ts';

/** Connections that wait for their deployment. More: the oldest are dropped. */
const EARLY_MAX = 1_024;

/** A slot in another TaskManager, for one deployment. */
export interface RemotePeer {
  readonly slot: number;
  readonly address: string;
}

/** What a slot says when it connects. */
interface Hello extends DeploymentId {
  readonly from: number;
  readonly to: number;
}

/**
 * The connections of a slot to slots of other TaskManagers: one for each peer and deployment. Of two
 * slots the one with the lower number connects. One connection serves one deployment, so nothing of
 * an attempt that is over can come to the next one.
 */
export class PeerSockets {
  readonly #transport: Transport;
  #listener: Listener | undefined;
  /** Made by peers whose deployment has not come here yet, oldest first. */
  readonly #early = new Map<string, Connection>();
  readonly #awaited = new Map<string, (connection: Connection) => void>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** @returns Where peers connect. */
  async listen(): Promise<string> {
    this.#listener = await this.#transport.listen((connection) => {
      firstFrame(connection).then(
        (frame) => {
          this.#greeted(connection, frame);
        },
        () => {
          connection.destroy();
        },
      );
    });
    return this.#listener.address;
  }

  /**
   * The connection to a peer. One that the peer does not make is never there: who waits must be able
   * to give up, with `forget`.
   *
   * @throws {EngineError} `COM-003`, `COM-004` (`unavailable`) if the peer is not there.
   */
  open(deployment: DeploymentId, slot: number, peer: RemotePeer): Promise<Connection> {
    return slot < peer.slot
      ? this.#connect({ ...deployment, from: slot, to: peer.slot }, peer.address)
      : this.#accept({ ...deployment, from: peer.slot, to: slot });
  }

  /** Nobody waits for connections of this deployment any more, nor will. */
  forget(deployment: DeploymentId): void {
    const prefix = `${deploymentKey(deployment)}\u0000`;
    for (const key of [...this.#awaited.keys()]) {
      if (key.startsWith(prefix)) this.#awaited.delete(key);
    }
    for (const [key, connection] of [...this.#early]) {
      if (!key.startsWith(prefix)) continue;
      this.#early.delete(key);
      connection.destroy();
    }
  }

  close(): void {
    for (const connection of this.#early.values()) connection.destroy();
    this.#early.clear();
    void this.#listener?.close();
  }

  async #connect(hello: Hello, address: string): Promise<Connection> {
    const connection = await this.#transport.connect(address);
    const to = new ByteWriter();
    writeAny(hello, to);
    connection.send(to.view());
    return connection;
  }

  #accept(hello: Hello): Promise<Connection> {
    const key = keyOf(hello);
    const early = this.#early.get(key);
    if (early !== undefined) {
      this.#early.delete(key);
      return Promise.resolve(early);
    }
    return new Promise((resolve) => {
      this.#awaited.set(key, resolve);
    });
  }

  #greeted(connection: Connection, frame: Uint8Array): void {
    const key = helloIn(frame);
    if (key === undefined) {
      connection.destroy();
      return;
    }
    const waiting = this.#awaited.get(key);
    if (waiting !== undefined) {
      this.#awaited.delete(key);
      waiting(connection);
      return;
    }
    this.#early.set(key, connection);
    // The peer has given up before we came.
    connection.onClose(() => {
      if (this.#early.get(key) === connection) this.#early.delete(key);
    });
    if (this.#early.size <= EARLY_MAX) return;
    for (const [oldest, dropped] of this.#early) {
      this.#early.delete(oldest);
      dropped.destroy();
      return;
    }
  }
}

/** Whose connection it is; undefined for what is no greeting. */
function helloIn(frame: Uint8Array): string | undefined {
  try {
    return keyOf(readAny(new ByteReader(frame)) as Hello);
  } catch {
    return undefined;
  }
}

function keyOf(hello: Hello): string {
  return `${deploymentKey(hello)}\u0000${hello.from}\u0000${hello.to}`;
}
