import type { Connection } from '@platformatic/kafka';
import type { FileSystem } from '../../../common/file-system.ts';
import type { BrokerAccess, BrokerAddress } from './broker-access.ts';
import { brokerTooOld } from './errors.ts';
import { library, loadLibrary } from './library.ts';

/** By API key: the version that we speak. Brokers of Kafka 3.7 have all of them. */
const SPOKEN: ReadonlyMap<number, number> = new Map([
  [0, 9], // Produce
  [1, 16], // Fetch
  [2, 8], // ListOffsets
  [3, 12], // Metadata
  [8, 8], // OffsetCommit
  [9, 8], // OffsetFetch
  [10, 4], // FindCoordinator
  [22, 4], // InitProducerId
  [24, 3], // AddPartitionsToTxn
  [26, 3], // EndTxn
]);

export interface BrokerLinkOptions {
  readonly access: BrokerAccess;
  readonly fs: FileSystem;
  readonly address: BrokerAddress;
  readonly clientId: string;
}

/**
 * A connection to one broker, which is used until it fails; then another takes its place. The broker
 * handles the requests of a connection one by one: one that waits holds up those behind it.
 */
export class BrokerLink {
  readonly connection: Connection;
  readonly #address: BrokerAddress;
  /** By API key: the highest version of the broker. */
  #versions: ReadonlyMap<number, number> = new Map();
  #isOpen = true;

  private constructor(connection: Connection, address: BrokerAddress) {
    this.connection = connection;
    this.#address = address;
    // Each failure reaches the request that met it. Without a listener it would end the process as well.
    connection.on('error', () => undefined);
    connection.on('close', () => {
      this.#isOpen = false;
    });
  }

  static async open(options: BrokerLinkOptions): Promise<BrokerLink> {
    const { access, fs, address, clientId } = options;
    const { Connection } = await loadLibrary();
    const connection = new Connection(clientId, await access.connectionOptions(fs, address.host));
    const link = new BrokerLink(connection, address);
    try {
      await connection.connect(address.host, address.port);
      await link.#checkVersions();
      return link;
    } catch (error) {
      link.destroy();
      throw error;
    }
  }

  /**
   * Whether it can be used. Waits while the library shows the credentials again, as a broker may want it
   * from time to time: a request in the middle of that is refused.
   */
  async isUsable(): Promise<boolean> {
    if (this.connection.status === 'reauthenticating') {
      await this.connection.ready().catch(() => undefined);
    }
    return this.isOpen;
  }

  get isOpen(): boolean {
    const { status } = this.connection;
    return this.#isOpen && status !== 'closing' && status !== 'closed' && status !== 'error';
  }

  /** The highest version of an API that the broker has; -1: none. */
  version(apiKey: number): number {
    return this.#versions.get(apiKey) ?? -1;
  }

  /** At once; requests under way fail. A broker needs no farewell. */
  destroy(): void {
    this.#isOpen = false;
    const { socket } = this.connection as { readonly socket?: { destroy(): void } };
    socket?.destroy();
  }

  /** A broker that does not know a version just hangs up, which looks as if it were down. */
  async #checkVersions(): Promise<void> {
    const { apiVersionsV3, protocolAPIsById } = library();
    const { apiKeys } = await apiVersionsV3.api.async(this.connection, 'tidemark', '1');
    const ranges = new Map(apiKeys.map((api) => [api.apiKey, api]));
    for (const [key, wanted] of SPOKEN) {
      const { minVersion = 0, maxVersion = -1 } = ranges.get(key) ?? {};
      if (wanted >= minVersion && wanted <= maxVersion) continue;
      const broker = `${this.#address.host}:${this.#address.port}`;
      const api = protocolAPIsById[key] ?? String(key);
      throw brokerTooOld(broker, api, wanted, `${minVersion} to ${maxVersion}`);
    }
    this.#versions = new Map(apiKeys.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]));
  }
}
