/**
 * The schemas that records were written with, by the id in front of each: looked up once, and made into a
 * function that reads.
 *
 * Always holds: a failure of the registry is thrown by `lookUp`, and never becomes a finding about a record.
 */
import type { Type } from 'avsc';
import type { Clock } from '../../../common/clock.ts';
import { EngineError } from '../../../common/errors.ts';
import { type AvroLongs, avroType } from './avro-types.ts';
import { UnreadableAvro } from './errors.ts';
import type { RegisteredSchema, SchemaReference, SchemaRegistry } from './schema-registry.ts';

/** Reads a value in the wire format. Throws if the bytes are not of this schema. */
export type ReadValue = (bytes: Buffer) => unknown;

export interface SchemaStoreOptions {
  readonly registry: SchemaRegistry;
  readonly clock: Clock;
  readonly longs: AvroLongs;
  /** To which the records are resolved. Undefined: they stay as they were written. */
  readonly reader: Type | undefined;
}

/** More schemas than a topic has; the oldest is forgotten, and looked up again. */
const SCHEMAS_MAX = 1_000;
/** An id that is not there may be on its way to the registry that was asked. */
const ABSENT_MS = 30_000;
const REFERENCES_MAX = 200;
/** Magic byte and id. */
export const PREFIX_BYTES = 5;

/** How to read records of one id. */
export interface KnownSchema {
  readonly read: ReadValue;
  /** Good until then. */
  readonly untilMs: number;
}

export class SchemaStore {
  readonly #options: SchemaStoreOptions;
  readonly #known = new Map<number, KnownSchema>();

  constructor(options: SchemaStoreOptions) {
    this.#options = options;
  }

  /** Undefined: it must be looked up. */
  reader(id: number): KnownSchema | undefined {
    const known = this.#known.get(id);
    if (known === undefined || known.untilMs === Infinity) return known;
    return known.untilMs > this.#options.clock.monotonicMs() ? known : undefined;
  }

  /** @throws {EngineError} `KAF-010`, `KAF-030` to `KAF-033` */
  async lookUp(id: number): Promise<void> {
    const { registry, clock } = this.#options;
    const found = await registry.byId(id);
    const known =
      found === undefined
        ? {
            read: refuse(`the registry has no schema ${id}`),
            untilMs: clock.monotonicMs() + ABSENT_MS,
          }
        : { read: await this.#readerOf(found), untilMs: Infinity };
    this.#known.delete(id);
    this.#known.set(id, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= SCHEMAS_MAX) break;
      this.#known.delete(oldest);
    }
  }

  async #readerOf(found: RegisteredSchema): Promise<ReadValue> {
    const { longs, reader } = this.#options;
    const { id, schemaType, schema, references } = found;
    if (schemaType !== 'AVRO') return refuse(`schema ${id} is ${schemaType}, not AVRO`);
    const where = `schema ${id}`;
    try {
      const names: Record<string, Type> = {};
      const done = new Set<string>();
      await this.#addReferences(references, names, done);
      const writer = avroType(schema, { longs, names, where });
      return reader === undefined
        ? readAs(writer, undefined)
        : readAs(reader, resolver(reader, writer));
    } catch (error) {
      // Of this schema, and so of its records alone.
      if (error instanceof EngineError && error.code !== 'KAF-035') throw error;
      return refuse(`${where}: ${reasonOf(error)}`);
    }
  }

  /** Depth first: a schema must know the names that it uses. */
  async #addReferences(
    references: readonly SchemaReference[],
    names: Record<string, Type>,
    done: Set<string>,
  ): Promise<void> {
    for (const { name, subject, version } of references) {
      const key = `${subject}/${version}`;
      if (done.has(key)) continue;
      done.add(key);
      if (done.size > REFERENCES_MAX) throw new UnreadableAvro('it refers to too many schemas');
      const found = await this.#options.registry.byVersion(subject, String(version));
      if (found === undefined) {
        throw new UnreadableAvro(`version ${version} of ${subject}, for ${name}, is not there`);
      }
      await this.#addReferences(found.references, names, done);
      avroType(found.schema, { longs: this.#options.longs, names, where: `${subject} ${version}` });
    }
  }
}

function resolver(reader: Type, writer: Type): unknown {
  try {
    return reader.createResolver(writer);
  } catch (error) {
    throw new UnreadableAvro(`it does not fit the reader's schema: ${reasonOf(error)}`);
  }
}

function readAs(type: Type, resolved: unknown): ReadValue {
  return (bytes) => {
    const { value, offset } = type.decode(bytes, PREFIX_BYTES, resolved as never) as {
      readonly value: unknown;
      readonly offset: number;
    };
    if (offset < 0) throw new UnreadableAvro('the value is cut off');
    if (offset !== bytes.length) {
      throw new UnreadableAvro(`${bytes.length - offset} bytes are left behind the value`);
    }
    return value;
  };
}

function refuse(reason: string): ReadValue {
  return () => {
    throw new UnreadableAvro(reason);
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof EngineError) return String(error.details['reason'] ?? error.message);
  return error instanceof Error ? error.message : String(error);
}
