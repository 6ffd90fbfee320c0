/**
 * Requests to a Kafka cluster: finds the broker that must answer, keeps connections, and repeats what may
 * be repeated until it works or time is up. Everything above says what it wants and from whom.
 *
 * The library below gives connections, requests and answers of single brokers; what it offers beyond
 * that (consumers, producers) is not used: see docs/decisions/0028-kafka.md.
 */
import type { Connection, metadataV12 } from '@platformatic/kafka';
import { EngineError } from '../../../common/errors.ts';
import type { World } from '../../../contracts/source.ts';
import { Backoff } from './backoff.ts';
import type { BrokerAccess, BrokerAddress } from './broker-access.ts';
import { BrokerLink } from './broker-link.ts';
import { ClusterView, type TopicView } from './cluster-view.ts';
import { noBroker, noSuchTopic, notAuthenticated, notAuthorized } from './errors.ts';
import { requestFailed, tlsFailed } from './errors.ts';
import { type Fault, faultOf, refusal } from './fault.ts';
import { library, loadLibrary } from './library.ts';

type MetadataResponse = metadataV12.MetadataResponse;

/** Who must answer. */
export type Target =
  | { readonly kind: 'any' }
  | { readonly kind: 'broker'; readonly nodeId: number }
  | { readonly kind: 'leader'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'coordinator'; readonly of: 'group' | 'transaction'; readonly id: string };

export interface Call<R> {
  readonly to: Target;
  /** For the error, such as `commit offsets`. */
  readonly doing: string;
  readonly send: (connection: Connection) => Promise<R>;
  /**
   * Whether to try again after this fault. Default: after those that Kafka calls retriable, and when no
   * answer came, so that `send` must be harmless when the broker gets it twice.
   */
  readonly retryIf?: (fault: Fault) => boolean;
  /** Milliseconds from the first failure on. Default: `default.api.timeout.ms`. */
  readonly giveUpAfterMs?: number;
}

export interface KafkaClientOptions {
  readonly access: BrokerAccess;
  readonly world: World;
  /** What brokers see in their logs and quotas, unless `client.id` says otherwise. */
  readonly clientId: string;
  /** Asking for a topic makes it, if the broker does so. Default: no. */
  readonly createsTopics?: boolean;
}

export interface Leader {
  readonly nodeId: number;
  readonly leaderEpoch: number;
  readonly topicId: string;
}

/** A broker's answer that makes what is known of leaders wrong. */
const STALE_LEADER =
  /^(NOT_LEADER_OR_FOLLOWER|FENCED_LEADER_EPOCH|UNKNOWN_LEADER_EPOCH|LEADER_NOT_AVAILABLE|UNKNOWN_TOPIC_OR_PARTITION|UNKNOWN_TOPIC_ID|INCONSISTENT_TOPIC_ID|KAFKA_STORAGE_ERROR|REPLICA_NOT_AVAILABLE)$/;

export class KafkaClient {
  readonly #options: KafkaClientOptions;
  readonly #view = new ClusterView();
  /** By lane and broker. */
  readonly #links = new Map<string, Promise<BrokerLink>>();
  readonly #coordinators = new Map<string, number>();
  readonly #asking = new Map<string, Promise<TopicView | undefined>>();
  #closed = false;

  constructor(options: KafkaClientOptions) {
    this.#options = options;
  }

  /** @throws {EngineError} `KAF-003` to `KAF-009` */
  async call<R>(call: Call<R>): Promise<R> {
    const { to, doing, send } = call;
    const retryIf = call.retryIf ?? ((fault: Fault) => fault.retriable);
    const backoff = this.backoff(call.giveUpAfterMs);
    for (;;) {
      try {
        const link = await this.link(to);
        return await send(link.connection);
      } catch (cause) {
        const fault = faultOf(cause);
        this.forget(to, fault);
        if (this.#closed || !retryIf(fault) || !(await backoff.wait()) || this.isClosed) {
          throw this.errorOf(doing, to, cause);
        }
      }
    }
  }

  /** For loops of their own, with the waiting times that the properties say. */
  backoff(giveUpAfterMs?: number): Backoff {
    const { access, world } = this.#options;
    const { timing } = access;
    return new Backoff({
      clock: world.clock,
      random: world.random,
      ...timing,
      giveUpAfterMs: giveUpAfterMs ?? timing.giveUpAfterMs,
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** All brokers that the latest answer named; empty before the first one. */
  get brokerIds(): readonly number[] {
    return this.#view.brokerIds;
  }

  /** Asks the cluster now. `null`: about all topics. A topic that is not there has its error in `error`. */
  async metadata(topics: readonly string[] | null): Promise<TopicView[]> {
    return this.call({
      to: { kind: 'any' },
      doing: 'read metadata',
      send: (connection) => this.#readMetadata(connection, topics),
    });
  }

  /**
   * Who leads a partition, from what is known or by asking.
   *
   * @throws an error of the library that `faultOf` understands; not repeated here.
   */
  async leader(topic: string, partition: number): Promise<Leader> {
    const view = this.#view.topic(topic) ?? (await this.#ask(topic));
    if (view?.error !== undefined) {
      this.#view.forgetTopic(topic);
      throw refusal(view.error);
    }
    const found = view?.partitions.find((one) => one.partition === partition);
    if (view === undefined || found === undefined || found.leaderId < 0) {
      this.#view.forgetTopic(topic);
      throw refusal(found === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'LEADER_NOT_AVAILABLE');
    }
    return { nodeId: found.leaderId, leaderEpoch: found.leaderEpoch, topicId: view.topicId };
  }

  /**
   * The open connection to a broker; makes one if there is none. Each lane has its own, so that a
   * request that waits at the broker (a fetch) holds up only those of its lane.
   */
  async link(to: Target, lane = ''): Promise<BrokerLink> {
    switch (to.kind) {
      case 'any':
        return this.#anyLink();
      case 'broker':
        return this.#brokerLink(to.nodeId, lane);
      case 'leader': {
        const { nodeId } = await this.leader(to.topic, to.partition);
        return this.#brokerLink(nodeId, lane);
      }
      case 'coordinator':
        return this.#brokerLink(await this.#coordinator(to), lane);
    }
  }

  /** After a fault: what it says is wrong will be looked up again. */
  forget(to: Target, fault: Fault): void {
    const isStale = fault.kind === 'network' || STALE_LEADER.test(fault.apiError ?? '');
    if (to.kind === 'leader' && isStale) this.#view.forgetTopic(to.topic);
    if (to.kind === 'coordinator') this.#coordinators.delete(coordinatorKey(to));
  }

  /** The error for the user, of what a request met. */
  errorOf(doing: string, to: Target, cause: unknown): unknown {
    if (cause instanceof EngineError) return cause;
    const fault = faultOf(cause);
    const { kind, apiError = '', reason } = fault;
    const target = textOf(to);
    const brokers = this.#options.access.brokers.map(({ host, port }) => `${host}:${port}`).join();
    switch (kind) {
      case 'network':
        return noBroker(doing, brokers, cause);
      case 'authentication':
        return notAuthenticated(brokers, cause);
      case 'tls':
        return tlsFailed(brokers, reason, cause);
      case 'refused':
        if (apiError.endsWith('AUTHORIZATION_FAILED')) {
          return notAuthorized(doing, target, apiError, cause);
        }
        return /^UNKNOWN_TOPIC/.test(apiError)
          ? noSuchTopic(target, cause)
          : requestFailed(doing, target, fault, cause);
      case 'unknown':
        return cause;
    }
  }

  /** Requests under way fail. */
  async close(): Promise<void> {
    this.#closed = true;
    const links = [...this.#links.values()];
    this.#links.clear();
    for (const link of links) {
      // One that is still being opened may take its time: nobody waits for it.
      link.then((open) => open.destroy()).catch(() => undefined);
    }
  }

  /** Those who want to know the same at the same time ask once. */
  #ask(topic: string): Promise<TopicView | undefined> {
    const asking = this.#asking.get(topic) ?? this.#askNow(topic);
    this.#asking.set(topic, asking);
    return asking;
  }

  async #askNow(topic: string): Promise<TopicView | undefined> {
    try {
      const { connection } = await this.#anyLink();
      const [view] = await this.#readMetadata(connection, [topic]);
      return view;
    } finally {
      this.#asking.delete(topic);
    }
  }

  async #readMetadata(
    connection: Connection,
    topics: readonly string[] | null,
  ): Promise<TopicView[]> {
    const creates = this.#options.createsTopics ?? false;
    const asked = topics === null ? null : [...topics];
    return this.#view.update(
      await metadataOf(library().metadataV12.api.async(connection, asked, creates)),
    );
  }

  async #coordinator(to: Target & { kind: 'coordinator' }): Promise<number> {
    const key = coordinatorKey(to);
    const known = this.#coordinators.get(key);
    if (known !== undefined) return known;
    const { connection } = await this.#anyLink();
    const type = to.of === 'group' ? 0 : 1;
    const { findCoordinatorV4 } = library();
    const { coordinators } = await findCoordinatorV4.api.async(connection, type, [to.id]);
    const [found] = coordinators;
    if (found === undefined) throw refusal('COORDINATOR_NOT_AVAILABLE');
    this.#view.addBroker(found.nodeId, { host: found.host, port: found.port });
    this.#coordinators.set(key, found.nodeId);
    return found.nodeId;
  }

  /** Brokers that are known, and then those that the user named: a cluster may have moved on since. */
  async #anyLink(): Promise<BrokerLink> {
    const { access, world } = this.#options;
    const known = shuffled(this.#view.brokerIds, () => world.random.next());
    let failure: unknown;
    for (const open of [
      ...known.map((nodeId) => () => this.#brokerLink(nodeId, '')),
      ...shuffled(access.brokers, () => world.random.next()).map(
        (address) => () => this.#keep(`/${address.host}:${address.port}`, address),
      ),
    ]) {
      try {
        return await open();
      } catch (error) {
        // Another broker will not take a wrong password either.
        if (!faultOf(error).retriable) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #brokerLink(nodeId: number, lane: string): Promise<BrokerLink> {
    await loadLibrary();
    const address = this.#view.broker(nodeId);
    if (address === undefined) throw refusal('LEADER_NOT_AVAILABLE');
    return this.#keep(`${lane}/${nodeId}`, address);
  }

  async #keep(key: string, address: BrokerAddress): Promise<BrokerLink> {
    const { access, world, clientId } = this.#options;
    await loadLibrary();
    for (let link = this.#links.get(key); link !== undefined; link = this.#links.get(key)) {
      const kept = await link;
      if (await kept.isUsable()) return kept;
      kept.destroy();
      if (this.#links.get(key) === link) this.#links.delete(key);
    }
    if (this.#closed) throw refusal('NETWORK_EXCEPTION');
    const opening = BrokerLink.open({
      access,
      fs: world.fs,
      address,
      clientId: access.clientId ?? clientId,
    });
    this.#links.set(key, opening);
    try {
      const link = await opening;
      // Closed in between: nobody else will do it.
      if (this.isClosed) link.destroy();
      return link;
    } catch (error) {
      if (this.#links.get(key) === opening) this.#links.delete(key);
      throw error;
    }
  }
}

/** The library throws an answer in which one topic is in trouble; the others in it are good. */
async function metadataOf(asking: Promise<MetadataResponse>): Promise<MetadataResponse> {
  try {
    return await asking;
  } catch (error) {
    const { ResponseError } = library();
    const response: unknown = error instanceof ResponseError ? error['response'] : undefined;
    if (response === undefined) throw error;
    return response as MetadataResponse;
  }
}

function coordinatorKey({ of, id }: Target & { kind: 'coordinator' }): string {
  return `${of}/${id}`;
}

function textOf(to: Target): string {
  switch (to.kind) {
    case 'any':
      return 'any broker';
    case 'broker':
      return `broker ${to.nodeId}`;
    case 'leader':
      return `${to.topic}-${to.partition}`;
    case 'coordinator':
      return `${to.of} ${to.id}`;
  }
}

function shuffled<T>(items: readonly T[], next: () => number): T[] {
  return items
    .map((item) => ({ item, order: next() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
