/**
 * A deserializer that needs more than the record: a schema that must be looked up. Records are read without a
 * promise; one whose schema is not known yet is left where it is until it is.
 */
import type { World } from '../../../contracts/source.ts';
import type { KafkaDeserializer } from './deserializers.ts';
import type { KafkaRecord } from './kafka-record.ts';

/** Such as `fromAvro(…)`. One for each source; each subtask opens its own. */
export interface KafkaFormat<T> {
  /** Synchronous: what it needs is fetched when a record asks for it. */
  open(context: { readonly world: World }): OpenKafkaFormat<T>;
}

/** The record can be read when `ready` has resolved. */
export const LATER: unique symbol = Symbol('later');

export interface OpenKafkaFormat<T> {
  /** As a `KafkaDeserializer`; `LATER`: not yet. */
  deserialize(record: KafkaRecord): T | undefined | typeof LATER;
  /** After `LATER`. Rejects with what must fail the job. */
  ready(): Promise<void>;
  close(): void;
}

/** A function needs nothing. */
export function openFormat<T>(
  format: KafkaDeserializer<T> | KafkaFormat<T>,
  context: { readonly world: World },
): OpenKafkaFormat<T> {
  if (typeof format !== 'function') return format.open(context);
  return { deserialize: format, ready: () => Promise.resolve(), close: () => undefined };
}
