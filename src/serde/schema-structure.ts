import { EngineError } from '../common/errors.ts';
import { noStructure } from './errors.ts';
import { typeSchemaFromJsonSchema } from './json-schema.ts';
import type { StandardResult, StandardSchema } from './standard-schema.ts';
import type { TypeSchema } from './type-schema.ts';
import { zodOptions } from './zod-structure.ts';

/**
 * The structure of the values that a schema has checked, or of those that it takes.
 *
 * @throws {EngineError} `SER-006` (`invalid`) if the schema's library does not tell it, or it holds
 * a type that has none, such as the result of a transform.
 */
export function typeSchemaFrom(
  schema: StandardSchema,
  side: 'input' | 'output' = 'output',
): TypeSchema {
  return structureOf(schema, side, '', new Set());
}

function structureOf(
  schema: StandardSchema,
  side: 'input' | 'output',
  path: string,
  open: Set<unknown>,
): TypeSchema {
  const { vendor, jsonSchema } = schema['~standard'];
  if (jsonSchema === undefined) throw noStructure(path, `a schema of ${vendor}`);
  const libraryOptions =
    vendor === 'zod'
      ? zodOptions(path, open, (inner, innerPath) => structureOf(inner, side, innerPath, open))
      : undefined;
  let json: Record<string, unknown>;
  try {
    json = jsonSchema[side]({ target: 'draft-2020-12', libraryOptions });
  } catch (cause) {
    if (cause instanceof EngineError) throw cause;
    throw noStructure(path, `a schema of ${vendor}`, cause);
  }
  return typeSchemaFromJsonSchema(json);
}

/**
 * Checks a value that comes from outside, and applies the schema's defaults and transforms.
 *
 * @throws {EngineError} `SER-008` (`invalid`) if the value is refused, with what the schema said.
 * @throws {EngineError} `SER-009` (`invalid`) if the schema answers with a promise.
 */
export function validate<T>(schema: StandardSchema<unknown, T>, value: unknown): T {
  const result: StandardResult<T> | Promise<StandardResult<T>> =
    schema['~standard'].validate(value);
  if (result instanceof Promise) {
    throw new EngineError('SER-009', 'invalid', 'a schema checks values asynchronously', {
      hint: 'Take out the async refinements and transforms, and do that work in asyncMap.',
    });
  }
  if (result.issues === undefined) return result.value;
  const [issue] = result.issues;
  const steps = issue?.path ?? [];
  const path = steps.map((step) => `.${String(typeof step === 'object' ? step.key : step)}`);
  throw new EngineError('SER-008', 'invalid', 'value is refused by its schema', {
    details: { at: `value${path.join('')}`, issue: issue?.message ?? 'no reason given' },
    hint: 'Correct the value, or the schema that it must fit.',
  });
}
