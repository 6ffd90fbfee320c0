import type { Serializer } from '../serde/serializer.ts';

/** Standard Schema, as far as types go. */
interface Standard<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

/** What says how values of `T` look: a Standard Schema (zod …) whose output is `T`, or a serializer. */
export type SchemaOf<T> = Standard<T> | Serializer<T>;

export type AnySchema = SchemaOf<unknown>;

export type InferOutput<S> =
  S extends Serializer<infer T>
    ? T
    : S extends { readonly '~standard': { readonly types?: infer Types } }
      ? NonNullable<Types> extends { readonly output: infer T }
        ? T
        : never
      : never;

export function toSerializer<T>(schema: SchemaOf<T>): Serializer<T> {
  return schema as Serializer<T>;
}
