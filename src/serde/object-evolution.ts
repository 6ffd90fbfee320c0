/** Reads objects of one schema as objects of another: by the names of their fields. */
import type { ByteReader } from './bytes.ts';
import { refuse, type Plan, type PartPlanner, type Read, type Refusal } from './evolution-plan.ts';
import { memberPath, misfitOf } from './misfit.ts';
import { copyPlain, setOwn } from './plain.ts';
import { byName, type FieldSchema, type ObjectSchema } from './type-schema.ts';

const BITS = 8;

/** A field as it was written. */
interface WrittenField {
  readonly name: string;
  readonly bit: number | undefined;
  readonly read: Read;
  readonly isKept: boolean;
}

interface Layout {
  readonly fields: readonly WrittenField[];
  readonly bitBytes: number;
  /** Reads a field that was not declared, by its name. */
  readonly rest: ((name: string) => Read) | undefined;
  readonly current: readonly FieldSchema[];
}

export function planObject(
  written: ObjectSchema,
  current: ObjectSchema,
  path: string,
  parts: PartPlanner,
): Plan {
  const fields = planFields(written, current, path, parts);
  if ('kind' in fields) return fields;
  const rest = planRest(written, current, path, parts);
  if (typeof rest === 'object') return rest;
  for (const field of current.fields) {
    const before = written.fields.find(({ name }) => name === field.name);
    if (before !== undefined && !before.optional) continue;
    if (field.optional || defaultOf(field) !== undefined) continue;
    const change = before ? 'was optional and no longer is' : 'is new';
    return refuse(path + memberPath(field.name), change, 'make it optional, give it a default');
  }
  const bits = written.fields.filter(({ optional }) => optional).length;
  const bitBytes = Math.ceil(bits / BITS);
  const layout: Layout = { fields, bitBytes, rest, current: current.fields };
  return { kind: 'read', read: (from) => readObject(from, layout) };
}

function planFields(
  written: ObjectSchema,
  current: ObjectSchema,
  path: string,
  parts: PartPlanner,
): readonly WrittenField[] | Refusal {
  let bits = 0;
  const fields: WrittenField[] = [];
  for (const { name, type, optional } of written.fields.toSorted(byName)) {
    const target = current.fields.find((field) => field.name === name)?.type ?? current.rest;
    if (target === undefined && !parts.mayDrop) return refuse(path + memberPath(name), 'is gone');
    // A field that is gone must still be read to get past it.
    const planned = parts.plan(type, target ?? type, path + memberPath(name));
    if (planned.kind === 'refuse') return planned;
    const bit = optional ? bits++ : undefined;
    fields.push({ name, bit, read: planned.read, isKept: target !== undefined });
  }
  return fields;
}

function planRest(
  written: ObjectSchema,
  current: ObjectSchema,
  path: string,
  parts: PartPlanner,
): ((name: string) => Read) | Refusal | undefined {
  if (written.rest === undefined) return undefined;
  if (current.rest === undefined) {
    return refuse(path, 'had room for fields of any name', 'keep that room');
  }
  const others = parts.plan(written.rest, current.rest, `${path}[]`);
  if (others.kind === 'refuse') return others;
  const reads = new Map<string, Read>();
  for (const { name, type } of current.fields) {
    if (written.fields.some((field) => field.name === name)) continue;
    // An older value may hold this name among its other fields.
    const planned = parts.plan(written.rest, type, path + memberPath(name));
    if (planned.kind === 'refuse') return planned;
    reads.set(name, planned.read);
  }
  return (name) => reads.get(name) ?? others.read;
}

function readObject(from: ByteReader, { fields, bitBytes, rest, current }: Layout): unknown {
  const bits = from.raw(bitBytes);
  const values = new Map<string, unknown>();
  for (const { name, bit, read, isKept } of fields) {
    if (bit !== undefined && ((bits[Math.floor(bit / BITS)] ?? 0) & (1 << (bit % BITS))) === 0) {
      continue;
    }
    const value = read(from);
    if (isKept) values.set(name, value);
  }
  if (rest !== undefined) {
    for (let count = from.count(1); count > 0; count--) {
      const name = from.text();
      values.set(name, rest(name)(from));
    }
  }
  return build(values, current);
}

/** In declared order, as a value that was never older would be. */
function build(values: Map<string, unknown>, fields: readonly FieldSchema[]): unknown {
  const object: Record<string, unknown> = {};
  for (const field of fields) {
    const { name } = field;
    if (values.has(name)) setOwn(object, name, values.get(name));
    else {
      const fallback = defaultOf(field);
      if (fallback !== undefined) setOwn(object, name, copyPlain(fallback.value));
    }
    values.delete(name);
  }
  for (const [name, value] of values) setOwn(object, name, value);
  return object;
}

/** What a value that lacks the field gets: its default, or `undefined` where the type allows that. */
function defaultOf(field: FieldSchema): { readonly value: unknown } | undefined {
  const { type, optional, default: value } = field;
  if (value === undefined && optional) return undefined;
  return misfitOf(type, value) === undefined ? { value } : undefined;
}
