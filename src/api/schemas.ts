import type { Serializer } from '../serde/serializer.ts';
import type { StandardSchema } from '../serde/standard-schema.ts';
import type { SchemaOf } from '../serde/to-serializer.ts';

/** What says how values look: a Standard Schema (zod …), or a serializer. */
export type AnySchema = SchemaOf<unknown>;

/** The type of a schema's checked values, or of a serializer's values. */
export type InferOutput<S> =
  S extends Serializer<infer T>
    ? T
    : S extends StandardSchema
      ? NonNullable<S['~standard']['types']>['output']
      : never;
