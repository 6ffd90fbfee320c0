import type { InferOutput, StandardSchema } from '../../../serde/standard-schema.ts';
import { asyncSchema } from './errors.ts';
import type { KafkaRecord } from './kafka-record.ts';

/**
 * Makes a value of a record; `undefined` leaves it out. What it throws says that the record cannot be
 * read, and `onInvalid` says what happens then.
 */
export type KafkaDeserializer<T> = (record: KafkaRecord) => T | undefined;

/** Why a value cannot be read; the deserializer's own finding, no failure of it. */
class UnfitValue extends Error {
  override readonly name = 'UnfitValue';
}

/**
 * The value as JSON that fits a schema. Tombstones (records without a value) are left out.
 *
 * ```ts
 * const deserializer = fromJson(z.object({ id: z.string(), amount: z.number() }));
 * ```
 */
export function fromJson<S extends StandardSchema>(schema: S): KafkaDeserializer<InferOutput<S>> {
  const check = validated(schema);
  return (record) => {
    const text = record.valueText();
    return text === null ? undefined : check(JSON.parse(text));
  };
}

/** What the schema makes of a value. The function throws for one that does not fit. */
export function validated<S extends StandardSchema>(schema: S): (value: unknown) => InferOutput<S> {
  const { validate } = schema['~standard'];
  return (value) => {
    const result = validate(value);
    if (result instanceof Promise) throw asyncSchema();
    if (result.issues !== undefined) throw new UnfitValue(result.issues.map(issueText).join('; '));
    return result.value;
  };
}

/** The value as text in UTF-8. Tombstones are left out. */
export function fromString(): KafkaDeserializer<string> {
  return (record) => record.valueText() ?? undefined;
}

/** The value's bytes, copied. Tombstones are left out. */
export function fromBytes(): KafkaDeserializer<Uint8Array> {
  return (record) => {
    const { value } = record;
    return value === null ? undefined : new Uint8Array(value);
  };
}

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

function issueText({ path = [], message }: Issue): string {
  const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}
