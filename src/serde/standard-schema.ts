/**
 * Standard Schema and Standard JSON Schema, copied as https://standardschema.dev invites to
 * (the interfaces `StandardSchemaV1` and `StandardJSONSchemaV1`, version 1, shortened). zod, valibot,
 * arktype and others speak the former; those that speak the latter too tell their structure.
 */

/** A schema of any library. `Output` is the type of the values that it has checked. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    /** Only of libraries that speak Standard JSON Schema. */
    readonly jsonSchema?: StandardJsonSchema;
  };
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export interface StandardJsonSchema {
  /** May throw for a type that JSON cannot hold. */
  readonly input: (options: StandardJsonSchemaOptions) => Record<string, unknown>;
  readonly output: (options: StandardJsonSchemaOptions) => Record<string, unknown>;
}

export interface StandardJsonSchemaOptions {
  readonly target: 'draft-2020-12';
  /** For the library alone: zod takes the options of `z.toJSONSchema` here. */
  readonly libraryOptions?: Record<string, unknown> | undefined;
}

/** The type of the values that a schema has checked. */
export type InferOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** The type of the values that a schema takes, before defaults and transforms. */
export type InferInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];

export function isStandardSchema(value: unknown): value is StandardSchema {
  // A schema may be a function (arktype's are).
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return '~standard' in value;
}
