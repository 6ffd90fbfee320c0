import type { OutputTag } from '../contracts/output.ts';
import { toSerializer, type SchemaOf } from '../serde/to-serializer.ts';
import { requireTagId } from './checks.ts';
import type { AnySchema, InferOutput } from './schemas.ts';

/**
 * Names a side output: emit to it with `side(tag, value)`, read it with `stream.sideOutput(tag)`.
 *
 * @param schema What its elements look like; it gives the tag its type.
 * @throws {EngineError} `API-012` (`invalid`) for a malformed id.
 *
 * @example
 * ```ts
 * const rejected = outputTag('rejected', z.object({ row: z.string(), why: z.string() }));
 * ```
 */
export function outputTag<S extends AnySchema>(id: string, schema: S): OutputTag<InferOutput<S>>;
/** Without a schema the tag takes values of any type, and what reads it gets `unknown`. */
export function outputTag(id: string): OutputTag<unknown>;
export function outputTag(id: string, schema?: SchemaOf<unknown>): OutputTag<unknown> {
  requireTagId(id);
  return {
    kind: 'output-tag',
    id,
    element: schema === undefined ? undefined : toSerializer(schema),
  };
}
