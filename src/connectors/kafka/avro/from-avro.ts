import type { Type } from 'avsc';
import type { World } from '../../../contracts/source.ts';
import type { InferOutput, StandardSchema } from '../../../serde/standard-schema.ts';
import { validated } from '../source/deserializers.ts';
import { type KafkaFormat, LATER, type OpenKafkaFormat } from '../source/kafka-format.ts';
import type { KafkaRecord } from '../source/kafka-record.ts';
import { loadAvro } from './avro-library.ts';
import { type AvroLongs, avroType } from './avro-types.ts';
import { UnreadableAvro } from './errors.ts';
import { RegistryAccess, type RegistryOptions } from './registry-access.ts';
import { PREFIX_BYTES, type ReadValue, SchemaStore } from './schema-store.ts';
import { SchemaRegistry } from './schema-registry.ts';

export interface FromAvroOptions extends RegistryOptions {
  /**
   * An Avro schema, as JSON or as its text, to which records of all versions are resolved by Avro's rules: fields that
   * it does not have are dropped, those that a record lacks get their default. A record whose schema does not
   * fit cannot be read. Default: each record as it was written.
   */
  readonly readerSchema?: string | object;
  /** What a `long` becomes. Default: `number`; a record with one beyond 2^53 cannot be read then. */
  readonly longs?: AvroLongs;
}

const MAGIC = 0;

/**
 * The value as Avro in the wire format of schema registries: a zero byte, the id of the schema in four
 * bytes, the value. Tombstones are left out. With a schema of zod or the like, values are checked against it.
 *
 * ```ts
 * const Order = z.object({ id: z.string(), amount: z.number(), at: z.date() });
 * const deserializer = fromAvro(Order, { registry: 'http://registry:8081' });
 * ```
 *
 * A registry that does not answer holds the records up, and fails the job after `unavailableAfterMs` with
 * `KAF-030`. A record that cannot be read goes the way that `onInvalid` says.
 *
 * @throws {EngineError} `KAF-001` at once; `KAF-010` and `KAF-030` to `KAF-035` when it runs.
 */
export function fromAvro<S extends StandardSchema>(
  schema: S,
  options: FromAvroOptions,
): KafkaFormat<InferOutput<S>>;
/** Without a check: what the Avro schema says is what comes. */
export function fromAvro(options: FromAvroOptions): KafkaFormat<unknown>;
export function fromAvro(
  ...args: readonly [FromAvroOptions] | readonly [StandardSchema, FromAvroOptions]
): KafkaFormat<unknown> {
  const [schema, options] = args.length === 1 ? [undefined, args[0]] : args;
  const access = new RegistryAccess(options);
  return { open: ({ world }) => new AvroFormat({ access, options, schema, world }) };
}

interface AvroFormatParts {
  readonly access: RegistryAccess;
  readonly options: FromAvroOptions;
  readonly schema: StandardSchema | undefined;
  readonly world: World;
}

class AvroFormat implements OpenKafkaFormat<unknown> {
  readonly #parts: AvroFormatParts;
  readonly #registry: SchemaRegistry;
  readonly #check: ((value: unknown) => unknown) | undefined;
  #store: SchemaStore | undefined;
  /** Records of one id come in long runs. */
  #lastId = -1;
  #lastRead: ReadValue | undefined;
  #missing = -1;

  constructor(parts: AvroFormatParts) {
    this.#parts = parts;
    this.#registry = new SchemaRegistry(parts.access, parts.world);
    this.#check = parts.schema === undefined ? undefined : validated(parts.schema);
  }

  deserialize(record: KafkaRecord): unknown {
    const bytes = record.value;
    if (bytes === null) return undefined;
    if (bytes.length < PREFIX_BYTES) {
      throw new UnreadableAvro(`${bytes.length} bytes are too few for a schema's id`);
    }
    if (bytes[0] !== MAGIC) {
      throw new UnreadableAvro(
        `it begins with byte ${bytes[0] ?? -1}, not with 0 and a schema's id`,
      );
    }
    const read = this.#readerOf(bytes.readInt32BE(1));
    if (read === undefined) return LATER;
    const value = read(bytes);
    return this.#check === undefined ? value : this.#check(value);
  }

  async ready(): Promise<void> {
    this.#store ??= await this.#openStore();
    await this.#store.lookUp(this.#missing);
  }

  close(): void {
    this.#registry.close();
  }

  #readerOf(id: number): ReadValue | undefined {
    if (id === this.#lastId && this.#lastRead !== undefined) return this.#lastRead;
    const known = this.#store?.reader(id);
    if (known === undefined) {
      this.#missing = id;
      return undefined;
    }
    const isFinal = known.untilMs === Infinity;
    this.#lastId = isFinal ? id : -1;
    this.#lastRead = isFinal ? known.read : undefined;
    return known.read;
  }

  async #openStore(): Promise<SchemaStore> {
    await loadAvro();
    const { options, world } = this.#parts;
    const { readerSchema, longs = 'number' } = options;
    const reader: Type | undefined =
      readerSchema === undefined
        ? undefined
        : avroType(readerSchema, { longs, where: 'readerSchema' });
    return new SchemaStore({ registry: this.#registry, clock: world.clock, longs, reader });
  }
}
