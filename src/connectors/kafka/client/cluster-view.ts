/** What is known of a cluster: its brokers, and the topics that were asked for, as of the latest answer. */
import type { metadataV12 } from '@platformatic/kafka';
import type { BrokerAddress } from './broker-access.ts';
import { library } from './library.ts';

type MetadataResponse = metadataV12.MetadataResponse;

export interface PartitionView {
  readonly partition: number;
  /** -1: it has none at the moment. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

export interface TopicView {
  readonly name: string;
  /** Another one after the topic was deleted and made anew. */
  readonly topicId: string;
  readonly isInternal: boolean;
  readonly partitions: readonly PartitionView[];
  /** Kafka's name, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
  readonly error: string | undefined;
}

export class ClusterView {
  readonly #brokers = new Map<number, BrokerAddress>();
  readonly #topics = new Map<string, TopicView>();

  get brokerIds(): number[] {
    return [...this.#brokers.keys()];
  }

  broker(nodeId: number): BrokerAddress | undefined {
    return this.#brokers.get(nodeId);
  }

  addBroker(nodeId: number, address: BrokerAddress): void {
    this.#brokers.set(nodeId, address);
  }

  topic(name: string): TopicView | undefined {
    return this.#topics.get(name);
  }

  forgetTopic(name: string): void {
    this.#topics.delete(name);
  }

  update(response: MetadataResponse): TopicView[] {
    this.#brokers.clear();
    for (const { nodeId, host, port } of response.brokers)
      this.#brokers.set(nodeId, { host, port });
    const topics = response.topics.map(topicView);
    for (const topic of topics) this.#topics.set(topic.name, topic);
    return topics;
  }
}

function topicView(topic: MetadataResponse['topics'][number]): TopicView {
  const { name, topicId, isInternal, errorCode } = topic;
  const partitions = topic.partitions
    .map(({ partitionIndex, leaderId, leaderEpoch }) => ({
      partition: partitionIndex,
      leaderId,
      leaderEpoch,
    }))
    .sort((a, b) => a.partition - b.partition);
  const error = errorCode === 0 ? undefined : library().protocolErrorsCodesById[errorCode];
  return { name: name ?? '', topicId, isInternal, partitions, error };
}
