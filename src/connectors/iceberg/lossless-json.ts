/**
 * JSON whose integers stay what they are: beyond 2^53 they are bigints, as are Iceberg's snapshot ids.
 * `JSON.parse` alone would round them, and a rounded id is another snapshot's.
 */
export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: Json | undefined;
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/** Part of JavaScript that its type library does not know yet. */
const native = JSON as unknown as {
  parse(text: string, reviver: Reviver): unknown;
  rawJSON(text: string): unknown;
};

const INTEGER = /^-?\d+$/;

/** @throws {SyntaxError} */
export function parseJson(text: string): Json {
  return native.parse(text, (_key, value, { source }) => {
    const isRounded =
      typeof value === 'number' &&
      source !== undefined &&
      INTEGER.test(source) &&
      !Number.isSafeInteger(value);
    return isRounded ? BigInt(source) : value;
  }) as Json;
}

export function printJson(value: Json): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? native.rawJSON(String(part)) : part,
  );
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
