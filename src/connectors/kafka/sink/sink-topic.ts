import type { Random } from '../../../common/random.ts';
import { partitionOfKey, partitionOfText } from './murmur2.ts';
import type { Lane } from './producer-transaction.ts';
import type { KafkaBytes } from './record-batch-builder.ts';
import { badPartition } from './errors.ts';

/** A topic that is written to, and which partition takes which record. */
export class SinkTopic {
  readonly name: string;
  readonly #random: Random;
  readonly #makeLane: (partition: number) => Lane;
  readonly #lanes: Lane[] = [];
  /** Takes records without a key until its batch is closed: few full batches are better than many. */
  #sticky: Lane | undefined;
  /** With a format: makes the bytes of a record. */
  writeValue: ((record: never) => Uint8Array | null) | undefined;
  /** When its partitions were counted. */
  countedMs = 0;

  constructor(name: string, random: Random, makeLane: (partition: number) => Lane) {
    this.name = name;
    this.#random = random;
    this.#makeLane = makeLane;
  }

  get partitions(): number {
    return this.#lanes.length;
  }

  /** There are never fewer than before, unless the topic was made anew, which fails what is sent. */
  setPartitions(count: number, atMs: number): void {
    for (let partition = this.#lanes.length; partition < count; partition++) {
      this.#lanes.push(this.#makeLane(partition));
    }
    this.countedMs = atMs;
  }

  laneOf(key: KafkaBytes): Lane {
    if (key === null) return this.#stickyLane();
    const { length } = this.#lanes;
    let partition = typeof key === 'string' ? partitionOfText(key, length) : -1;
    if (partition < 0) {
      partition = partitionOfKey(typeof key === 'string' ? Buffer.from(key) : key, length);
    }
    return this.laneAt(partition);
  }

  /** @throws {EngineError} `KAF-056` */
  laneAt(partition: number): Lane {
    const lane = this.#lanes[partition];
    if (lane === undefined) throw badPartition(this.name, partition, this.#lanes.length);
    return lane;
  }

  #stickyLane(): Lane {
    const sticky = this.#sticky;
    if (sticky?.builder !== undefined) return sticky;
    // Another one than before, by chance.
    const { length } = this.#lanes;
    let partition = Math.floor(this.#random.next() * length);
    if (partition === sticky?.partition) partition = (partition + 1) % length;
    this.#sticky = this.laneAt(partition);
    return this.#sticky;
  }
}
