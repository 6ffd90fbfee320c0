import type { KafkaClient } from '../client/kafka-client.ts';
import { produce, type ProduceAnswer, type ProduceRequest } from './produce-request.ts';
import type { Batch } from './producer-transaction.ts';

/** Fetches of a source in the same process must not hold these up. */
const LANE = 'produce';

interface Waiting {
  readonly request: ProduceRequest;
  readonly resolve: (answers: Map<Batch, ProduceAnswer>) => void;
  readonly reject: (error: unknown) => void;
}

/** Requests to one broker, which go out in the order of `send`, also across a new connection. */
export class NodeSender {
  readonly #client: KafkaClient;
  readonly #nodeId: number;
  #waiting: Waiting[] = [];
  #isSending = false;

  constructor(client: KafkaClient, nodeId: number) {
    this.#client = client;
    this.#nodeId = nodeId;
  }

  /** Not repeated: what fails must be put in order with what else is on its way. */
  send(request: ProduceRequest): Promise<Map<Batch, ProduceAnswer>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      if (!this.#isSending) void this.#sendAll();
    });
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (this.#waiting.length > 0) {
      try {
        const link = await this.#client.link({ kind: 'broker', nodeId: this.#nodeId }, LANE);
        for (const { request, resolve, reject } of this.#waiting.splice(0)) {
          produce(link.connection, request).then(resolve, reject);
        }
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0)) reject(error);
      }
    }
    this.#isSending = false;
  }
}
