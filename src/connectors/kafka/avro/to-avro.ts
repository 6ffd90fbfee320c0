import type { Type } from 'avsc';
import type { World } from '../../../contracts/source.ts';
import { badProperty } from '../client/errors.ts';
import type { KafkaValueFormat, OpenValueFormat, WriteValue } from '../sink/value-format.ts';
import { loadAvro } from './avro-library.ts';
import { avroType } from './avro-types.ts';
import { badAvroSchema, schemaNotRegistered, unfitForAvro } from './errors.ts';
import { RegistryAccess, type RegistryOptions } from './registry-access.ts';
import { PREFIX_BYTES } from './schema-store.ts';
import { SchemaRegistry } from './schema-registry.ts';

export interface ToAvroOptions extends RegistryOptions {
  /** The Avro schema to write with, as JSON or as its text. Default: the latest one of the subject, as of the start. */
  readonly schema?: string | object;
  /** Under which name the registry has the schema. Default: `<topic>-value`. */
  readonly subject?: string | ((topic: string) => string);
  /** Registers `schema` if the subject does not have it. Default: no, the job fails with `KAF-034`. */
  readonly autoRegister?: boolean;
}

const FIRST_BUFFER_BYTES = 1_024;
const BUFFER_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Values as Avro in the wire format of schema registries. The schema of a topic is looked up once, when the
 * sink opens, or when a record goes to a topic for the first time.
 *
 * ```ts
 * const value = toAvro({ registry: 'http://registry:8081', subject: 'orders-value' });
 * ```
 *
 * @throws {EngineError} `KAF-001` at once; `KAF-010` and `KAF-030` to `KAF-036` when it runs.
 */
export function toAvro<T>(options: ToAvroOptions): KafkaValueFormat<T> {
  const access = new RegistryAccess(options);
  if (options.autoRegister === true && options.schema === undefined) {
    throw badProperty('schema', 'nothing', 'an Avro schema, as autoRegister asks for one');
  }
  return { open: ({ world }) => new AvroValueFormat<T>(access, options, world) };
}

class AvroValueFormat<T> implements OpenValueFormat<T> {
  readonly #registry: SchemaRegistry;
  readonly #options: ToAvroOptions;

  constructor(access: RegistryAccess, options: ToAvroOptions, world: World) {
    this.#registry = new SchemaRegistry(access, world);
    this.#options = options;
  }

  async writerFor(topic: string): Promise<WriteValue<T>> {
    await loadAvro();
    const { subject = `${topic}-value` } = this.#options;
    const name = typeof subject === 'string' ? subject : subject(topic);
    const { id, type } = await this.#schemaOf(name);
    return writeAs(type, id, topic);
  }

  close(): void {
    this.#registry.close();
  }

  async #schemaOf(subject: string): Promise<{ readonly id: number; readonly type: Type }> {
    const { schema, autoRegister = false } = this.#options;
    // Numbers and bigints are both taken for longs.
    const longs = 'bigint';
    if (schema === undefined) {
      const latest = await this.#registry.byVersion(subject, 'latest');
      if (latest === undefined) throw schemaNotRegistered(subject);
      const { id, schemaType, references } = latest;
      if (schemaType !== 'AVRO' || references.length > 0) {
        const reason = schemaType === 'AVRO' ? 'it refers to other schemas' : `it is ${schemaType}`;
        throw badAvroSchema(subject, `${reason}: give the schema in the options`, undefined);
      }
      return { id, type: avroType(latest.schema, { longs, where: subject }) };
    }
    const type = avroType(schema, { longs, where: 'schema' });
    const text = typeof schema === 'string' ? schema : JSON.stringify(schema);
    if (autoRegister) return { id: await this.#registry.register(subject, text), type };
    const id = await this.#registry.idOf(subject, text);
    if (id === undefined) throw schemaNotRegistered(subject);
    return { id, type };
  }
}

/** The bytes are good until the next record is written. */
function writeAs<T>(type: Type, id: number, topic: string): WriteValue<T> {
  let bytes = bufferFor(id, FIRST_BUFFER_BYTES);
  return (record) => {
    if (record === null) return null;
    for (;;) {
      const end = encode(type, record, bytes, topic);
      if (end >= 0) return bytes.subarray(0, end);
      const needed = bytes.length - end;
      if (needed > BUFFER_BYTES_MAX) {
        throw unfitForAvro(topic, '', `at most ${BUFFER_BYTES_MAX} bytes`, undefined);
      }
      bytes = bufferFor(id, Math.max(needed, bytes.length * 2));
    }
  };
}

function encode(type: Type, record: unknown, bytes: Buffer, topic: string): number {
  try {
    return type.encode(record, bytes, PREFIX_BYTES);
  } catch (cause) {
    let place = '';
    let expected = cause instanceof Error ? cause.message : String(cause);
    type.isValid(record, {
      errorHook: (path: readonly string[], _value: unknown, part: Type) => {
        if (place !== '') return;
        place = path.join('.');
        expected = part.typeName;
      },
    });
    throw unfitForAvro(topic, place, expected, cause);
  }
}

function bufferFor(id: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  bytes.writeInt32BE(id, 1);
  return bytes;
}
