/** What the plans for reading older bytes are made of. */
import type { ByteReader } from './bytes.ts';
import { corruptBytes } from './errors.ts';
import type { TypeSchema } from './type-schema.ts';

export type Read = (from: ByteReader) => unknown;

export interface Refusal {
  readonly kind: 'refuse';
  readonly why: string;
}

export type Plan = { readonly kind: 'read'; readonly read: Read } | Refusal;

/** How the parts of a value are planned. */
export interface PartPlanner {
  /** Whether what the current type has no room for may be left behind. */
  readonly mayDrop: boolean;
  /** @param path Leads to the part. */
  plan(written: TypeSchema, current: TypeSchema, path: string): Plan;
}

/** @param change What happened to the part at `path`. @param remedy What to do about it. */
export function refuse(path: string, change: string, remedy = 'keep it as it was'): Refusal {
  return { kind: 'refuse', why: `${path} ${change}: ${remedy}, or give a migrate function` };
}

/** Reads a position, then what the reader at it reads. */
export function readMember(reads: readonly Read[], from: ByteReader): unknown {
  const read = reads[from.varint()];
  if (read === undefined) throw corruptBytes('no member of a union', from.position);
  return read(from);
}

/** @param rest Reads the items for which `reads` has no reader. */
export function readItems(
  from: ByteReader,
  reads: readonly Read[],
  rest: Read | undefined,
): unknown[] {
  const items: unknown[] = [];
  for (let index = 0, count = from.count(0); index < count; index++) {
    const read = reads[index] ?? rest;
    if (read === undefined) throw corruptBytes('no length of a tuple', from.position);
    items.push(read(from));
  }
  return items;
}

export function readMap(from: ByteReader, key: Read, value: Read): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (let count = from.count(0); count > 0; count--) {
    const name = key(from);
    map.set(name, value(from));
  }
  return map;
}
