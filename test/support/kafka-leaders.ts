/** Who leads the partitions of a topic, and a connection to each of them, beside the client that is tested. */
import { Connection, metadataV12, ResponseError } from '@platformatic/kafka';

export interface LedPartition {
  readonly partition: number;
  readonly leaderId: number;
  /** The first one is its preferred leader. */
  readonly replicas: readonly number[];
  readonly inSync: readonly number[];
}

interface Address {
  readonly host: string;
  readonly port: number;
}

type MetadataResponse = metadataV12.MetadataResponse;

export class Leaders {
  readonly topicId: string;
  readonly partitions: readonly LedPartition[];
  readonly #brokers: ReadonlyMap<number, Address>;
  readonly #connections = new Map<number, Connection>();

  private constructor({ brokers, topics }: MetadataResponse) {
    this.#brokers = new Map(brokers.map((one) => [one.nodeId, one]));
    this.topicId = topics[0]?.topicId ?? '';
    this.partitions = (topics[0]?.partitions ?? [])
      .map(({ partitionIndex, leaderId, replicaNodes, isrNodes }) => ({
        partition: partitionIndex,
        leaderId,
        replicas: replicaNodes,
        inSync: isrNodes,
      }))
      .sort((a, b) => a.partition - b.partition);
  }

  /** @param bootstrap Brokers with commas between them; one that answers is enough. */
  static async of(bootstrap: string, topic: string): Promise<Leaders> {
    let failure: unknown;
    for (const address of bootstrap.split(',')) {
      try {
        return new Leaders(await ask(address, topic));
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** @throws {ResponseError} when there is no such broker at the moment. */
  async connect(nodeId: number): Promise<Connection> {
    const open = this.#connections.get(nodeId);
    if (open !== undefined) return open;
    const address = this.#brokers.get(nodeId);
    if (address === undefined) throw new ResponseError(3, 12, { '/': [5, null] }, {});
    const connection = await connectTo(address);
    this.#connections.set(nodeId, connection);
    return connection;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections.values()) await connection.close();
  }
}

async function ask(bootstrap: string, topic: string): Promise<MetadataResponse> {
  const [host = '', port = ''] = bootstrap.split(':');
  const connection = await connectTo({ host, port: Number(port) });
  try {
    return await metadataV12.api.async(connection, [topic], false, false);
  } catch (error) {
    // A partition without a leader is an error in an answer that is good otherwise.
    const response: unknown = error instanceof ResponseError ? error['response'] : undefined;
    if (response === undefined) throw error;
    return response as MetadataResponse;
  } finally {
    await connection.close();
  }
}

async function connectTo({ host, port }: Address): Promise<Connection> {
  const connection = new Connection('test', { requestTimeout: 30_000, connectTimeout: 30_000 });
  connection.on('error', () => undefined);
  await connection.connect(host, port);
  return connection;
}
