/** From what users give (a schema or a serializer) to a serializer. */
import { EngineError } from '../common/errors.ts';
import type { ByteReader } from './bytes.ts';
import { typeSchemaFrom } from './schema-structure.ts';
import type { Resolution, Serializer } from './serializer.ts';
import { isStandardSchema, type StandardSchema } from './standard-schema.ts';
import { serializerOf } from './structural-serializer.ts';
import type { TypeSchema } from './type-schema.ts';

/** What says how values of `T` look: a Standard Schema (zod …) whose output is `T`, or a serializer. */
export type SchemaOf<T> = StandardSchema<unknown, T> | Serializer<T>;

export interface ToSerializerOptions<T> {
  /** See `withMigration`. Default: what the structure refuses is refused. */
  readonly migrate?: Migrate<T>;
}

/**
 * Makes today's value of one that was written under an older schema.
 *
 * @param old The value as it was written.
 */
export type Migrate<T> = (old: unknown, written: TypeSchema) => T;

/**
 * The serializer of a schema, or the given one.
 *
 * @throws {EngineError} `SER-006` (`invalid`) for a schema that does not tell its structure.
 * @throws {EngineError} `SER-007` (`invalid`) for something that is neither.
 */
export function toSerializer<T>(
  schema: SchemaOf<T>,
  { migrate }: ToSerializerOptions<T> = {},
): Serializer<T> {
  const serializer = plainSerializer(schema);
  return migrate === undefined ? serializer : withMigration(serializer, migrate);
}

function plainSerializer<T>(schema: SchemaOf<T>): Serializer<T> {
  if (isSerializer(schema)) return schema;
  if (isStandardSchema(schema)) return serializerOf(typeSchemaFrom(schema)) as Serializer<T>;
  throw new EngineError('SER-007', 'invalid', 'neither a schema nor a serializer was given', {
    details: { type: typeof schema },
    hint: 'Give a schema such as z.number(), or an object with write, read, copy, describe and resolve.',
  });
}

const PARTS = ['write', 'read', 'copy', 'describe', 'resolve'];

function isSerializer<T>(schema: SchemaOf<T> | null | undefined): schema is Serializer<T> {
  const object = Object(schema) as object;
  return PARTS.every((part) => typeof Reflect.get(object, part) === 'function');
}

/**
 * A serializer that also reads what its structure alone would refuse, by a function of the user.
 * What the structure can read goes on to be read without it.
 *
 * @throws {EngineError} from reading: `SER-010` (`user-code`) if `migrate` throws.
 */
export function withMigration<T>(serializer: Serializer<T>, migrate: Migrate<T>): Serializer<T> {
  return {
    write: (value, to) => serializer.write(value, to),
    read: (from) => serializer.read(from),
    copy: (value) => serializer.copy(value),
    describe: () => serializer.describe(),
    resolve: (written) => {
      const resolution = serializer.resolve(written);
      return resolution.kind === 'refuse' ? migrated(resolution.why, written, migrate) : resolution;
    },
  };
}

function migrated<T>(why: string, written: TypeSchema, migrate: Migrate<T>): Resolution<T> {
  // Bytes of a hand-written serializer can only be read by itself.
  if (written.kind === 'custom') return { kind: 'refuse', why };
  const before = serializerOf(written);
  const read = (from: ByteReader): T => {
    const old = before.read(from);
    try {
      return migrate(old, written);
    } catch (cause) {
      throw new EngineError('SER-010', 'user-code', 'a migrate function threw', {
        hint: 'Make migrate return a value for every value of the older schema.',
        cause,
      });
    }
  };
  return { kind: 'migrate', read };
}
