/** Three brokers for the tests of one file, which are killed and started again one by one. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type Kafka, startKafka, startKafkaCluster } from '../../scripts/services/kafka.ts';
import { SERVICE_SETUP_MS } from '../../scripts/services/service.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { type LedPartition, Leaders } from './kafka-leaders.ts';
import { removeFolder } from './remove-folder.ts';

const NODES = 3;
const HEAP = '256m';
const LOOK_MS = 50;
const UNTIL_MAX_MS = 300_000;

/** Call it at the head of a test file: the brokers are there for its tests. */
export class KafkaCluster {
  #folder = '';
  #brokers: Kafka[] = [];
  readonly #dead = new Set<number>();

  constructor(properties: Readonly<Record<string, string>> = {}) {
    beforeAll(async () => {
      this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-kafka-cluster-'));
      const options = { folder: this.#folder, nodes: NODES, heap: HEAP, properties };
      this.#brokers = [...(await startKafkaCluster(options))];
    }, SERVICE_SETUP_MS);
    afterAll(async () => {
      await Promise.all(this.#brokers.map((broker) => broker.kill()));
      // Processes of jobs that were killed may write there for a moment longer.
      removeFolder(this.#folder);
    });
  }

  get folder(): string {
    return this.#folder;
  }

  /** Of those that live. */
  get bootstrap(): string {
    return this.#living.map((one) => one.bootstrap).join();
  }

  async createTopic(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>> = { 'min.insync.replicas': '2' },
    replicationFactor = NODES,
  ): Promise<void> {
    await this.#anyBroker.createTopic(name, { partitions, replicationFactor, configs });
    await this.untilInSync(name, replicationFactor);
  }

  /** As its own word for it: kill -9. */
  async kill(nodeId: number): Promise<void> {
    this.#dead.add(nodeId);
    await this.#brokers[nodeId - 1]?.kill();
  }

  async restart(nodeId: number): Promise<void> {
    const folder = path.join(this.#folder, String(nodeId));
    this.#brokers[nodeId - 1] = await startKafka({ folder, heap: HEAP });
    this.#dead.delete(nodeId);
  }

  async electPreferredLeaders(): Promise<void> {
    await this.#anyBroker.electPreferredLeaders();
  }

  async partition(topic: string, partition: number): Promise<LedPartition> {
    const leaders = await Leaders.of(this.bootstrap, topic);
    const found = leaders.partitions[partition];
    if (found === undefined) throw new TypeError(`no partition ${topic}-${partition}`);
    return found;
  }

  /** Whoever leads it, once somebody does. */
  async leaderOf(topic: string, partition: number, not?: number): Promise<number> {
    let leader = -1;
    await this.until(`a leader of ${topic}-${partition}`, async () => {
      leader = (await this.partition(topic, partition)).leaderId;
      return leader >= 0 && leader !== not;
    });
    return leader;
  }

  async untilInSync(topic: string, replicas = NODES): Promise<void> {
    await this.until(`${topic} in sync`, async () => {
      const { partitions } = await Leaders.of(this.bootstrap, topic);
      return (
        partitions.length > 0 &&
        partitions.every((one) => one.leaderId >= 0 && one.inSync.length === replicas)
      );
    });
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endMs = systemClock.monotonicMs() + UNTIL_MAX_MS;
    for (;;) {
      // Brokers that come up refuse this and that.
      if (await holds().catch(() => false)) return;
      if (systemClock.monotonicMs() > endMs) throw new TypeError(`it never was: ${what}`);
      await sleep(systemClock, LOOK_MS);
    }
  }

  get #living(): Kafka[] {
    return this.#brokers.filter((_, index) => !this.#dead.has(index + 1));
  }

  get #anyBroker(): Kafka {
    const [broker] = this.#living;
    if (broker === undefined) throw new TypeError('no broker runs');
    return broker;
  }
}
