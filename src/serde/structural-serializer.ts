/** Serializers made from a schema alone: what most state uses. */
import { assert } from '../common/assert.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { MISFIT, type Codec } from './codec.ts';
import { misfitError } from './errors.ts';
import { ANY_DEPTH_MAX, misfitOf } from './misfit.ts';
import { resolveSchemas } from './schema-evolution.ts';
import type { Resolution, Serializer } from './serializer.ts';
import { codecOf } from './structural-codec.ts';
import { normalizeSchema, withoutDefaults, type TypeSchema, type ValueOf } from './type-schema.ts';

/**
 * Makes a serializer for the values of a schema.
 *
 * Nothing is lost in silence: `write` and `copy` refuse a value that would not come back as it was.
 * Only a field that is `undefined` comes back missing, where the schema lets it be missing.
 *
 * @throws {EngineError} from `write` and `copy`: `SER-002` (`invalid`) for a value of another type,
 * `SER-003` (`invalid`) for a field that the schema lacks, `SER-004` (`invalid`) for functions,
 * symbols, instances of classes and circles. Nothing has been written then.
 * @throws {EngineError} from `read`: `SER-001` (`corrupt`).
 *
 * @example
 * ```ts
 * const total = serializerOf({ kind: 'float64' });
 * ```
 */
export function serializerOf<const S extends TypeSchema>(schema: S): Serializer<ValueOf<S>> {
  return new StructuralSerializer<ValueOf<S>>(schema);
}

class StructuralSerializer<T> implements Serializer<T> {
  readonly #schema: TypeSchema;
  readonly #codec: Codec;

  constructor(schema: TypeSchema) {
    this.#schema = normalizeSchema(schema);
    this.#codec = codecOf(this.#schema);
  }

  write(value: T, to: ByteWriter): void {
    const start = to.length;
    try {
      this.#codec.write(value, to);
    } catch (error) {
      to.reset(start);
      throw this.#explain(error, value);
    }
  }

  read(from: ByteReader): T {
    return this.#codec.read(from) as T;
  }

  copy(value: T): T {
    try {
      return this.#codec.copy(value) as T;
    } catch (error) {
      throw this.#explain(error, value);
    }
  }

  describe(): TypeSchema {
    return withoutDefaults(this.#schema);
  }

  resolve(written: TypeSchema): Resolution<T> {
    return resolveSchemas(written, this.#schema) as Resolution<T>;
  }

  #explain(error: unknown, value: T): Error {
    // A circle in a recursive type ends in the engine's own stack.
    if (error instanceof RangeError) {
      const found = `a circle, or more than ${ANY_DEPTH_MAX} levels`;
      return misfitError({ kind: 'unserializable', path: '', expected: 'plain data', found });
    }
    if (error !== MISFIT) return error as Error;
    const misfit = misfitOf(this.#schema, value);
    assert(misfit !== undefined, 'a value is refused that fits its schema');
    return misfitError(misfit);
  }
}
