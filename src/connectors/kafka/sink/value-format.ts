/** What makes values of records and must look something up first: a schema for each topic. */
import type { World } from '../../../contracts/source.ts';

/** Such as `toAvro(…)`. One for each sink; each subtask opens its own. */
export interface KafkaValueFormat<T> {
  open(context: { readonly world: World }): OpenValueFormat<T>;
}

/** Synchronous, for each record. The bytes are good until the next call. */
export type WriteValue<T> = (record: T) => Uint8Array | null;

export interface OpenValueFormat<T> {
  /** Before the first record of a topic is written. */
  writerFor(topic: string): Promise<WriteValue<T>>;
  close(): void;
}
