/**
 * A record as a deserializer gets it. It is a view: it is good until the deserializer returns. Bytes that
 * are kept must be copied, or they hold the whole answer of the broker in memory.
 */
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970; -1: the record has none. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  /** `null`: a tombstone. */
  readonly value: Buffer | null;
  /** As UTF-8; cheaper than by way of `key`. */
  keyText(): string | null;
  valueText(): string | null;
  /** Decoded by this call. */
  headers(): KafkaHeader[];
}

export interface KafkaHeader {
  readonly key: string;
  readonly value: Buffer | null;
}
