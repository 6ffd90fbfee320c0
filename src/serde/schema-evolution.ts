/**
 * Whether bytes of one schema can be read as values of another, and how.
 *
 * Allowed is what loses nothing that the new type has room for: added fields that are optional or
 * have a default, removed and reordered fields, int32 to number, T to T or something else, a larger
 * set of literals. The answer is known before any value is read, so a restore never fails halfway.
 */
import { assert } from '../common/assert.ts';
import type { ByteReader } from './bytes.ts';
import {
  readItems,
  readMap,
  readMember,
  refuse,
  type Plan,
  type PartPlanner,
  type Read,
  type Refusal,
} from './evolution-plan.ts';
import { misfitOf, schemaText } from './misfit.ts';
import { planObject } from './object-evolution.ts';
import type { Resolution } from './serializer.ts';
import { codecOf } from './structural-codec.ts';
import {
  childrenOf,
  membersOf,
  normalizeSchema,
  sameSchema,
  type ObjectSchema,
  type TupleSchema,
  type TypeSchema,
} from './type-schema.ts';

type Recursive = Extract<TypeSchema, { kind: 'recursive' }>;

/** Whether a serializer of the schema `current` can read what one of `written` wrote. */
export function resolveSchemas(written: TypeSchema, current: TypeSchema): Resolution<unknown> {
  if (sameSchema(written, current)) return { kind: 'same' };
  const planner = new Planner();
  const plan = planner.planRoot(normalizeSchema(written), normalizeSchema(current));
  return plan.kind === 'read' ? { kind: 'migrate', read: plan.read } : plan;
}

interface Pair {
  readonly mayDrop: boolean;
  readonly written: TypeSchema;
  readonly current: TypeSchema;
  read?: Read;
}

class Planner implements PartPlanner {
  mayDrop = true;
  /**
   * Recursive types that are planned or being planned. Inside itself, a pair is taken as possible;
   * if it turns out not to be, it goes, and with it all that came after and may rest on it.
   */
  readonly #pairs: Pair[] = [];
  /** What a `ref` means, by the object that it is. */
  readonly #binders = new Map<TypeSchema, Recursive>();

  planRoot(written: TypeSchema, current: TypeSchema): Plan {
    this.#bind(written, []);
    this.#bind(current, []);
    return this.plan(written, current, 'value');
  }

  plan(written: TypeSchema, current: TypeSchema, path: string): Plan {
    if (isRecursive(written) || isRecursive(current)) return this.#planPair(written, current, path);
    if (current.kind === 'any' && written.kind !== 'any') return this.plan(written, written, path);
    if (written.kind === 'union') return this.#planFromUnion(written.of, current, path);
    if (current.kind === 'union') return this.#planToUnion(written, current, path);
    return this.#planAlike(written, current, path);
  }

  #bind(schema: TypeSchema, around: readonly Recursive[]): void {
    if (schema.kind === 'ref') {
      const binder = around.findLast(({ name }) => name === schema.name);
      assert(binder !== undefined, `a schema refers to "${schema.name}", which is not around it`);
      this.#binders.set(schema, binder);
    }
    const inside = schema.kind === 'recursive' ? [...around, schema] : around;
    for (const child of childrenOf(schema)) this.#bind(child, inside);
  }

  #planPair(writtenRef: TypeSchema, currentRef: TypeSchema, path: string): Plan {
    const written = this.#binders.get(writtenRef) ?? writtenRef;
    const current = this.#binders.get(currentRef) ?? currentRef;
    const { mayDrop } = this;
    const known = this.#pairs.find(
      (pair) => pair.written === written && pair.current === current && pair.mayDrop === mayDrop,
    );
    if (known !== undefined) return { kind: 'read', read: (from) => readPair(known, from) };
    const pair: Pair = { mayDrop, written, current };
    const before = this.#pairs.push(pair) - 1;
    const plan = this.plan(bodyOf(written), bodyOf(current), path);
    if (plan.kind === 'refuse') this.#pairs.length = before;
    else pair.read = plan.read;
    return plan;
  }

  #planFromUnion(written: readonly TypeSchema[], current: TypeSchema, path: string): Plan {
    const reads: Read[] = [];
    for (const member of written) {
      const plan = this.plan(member, current, path);
      if (plan.kind === 'refuse') return plan;
      reads.push(plan.read);
    }
    return { kind: 'read', read: (from) => readMember(reads, from) };
  }

  /** A member that has room for everything goes before one that does not, whatever their order. */
  #planToUnion(written: TypeSchema, current: TypeSchema, path: string): Plan {
    const { mayDrop } = this;
    this.mayDrop = false;
    const whole = this.#planToMember(written, current, path);
    this.mayDrop = mayDrop;
    if (whole.kind === 'read' || !mayDrop) return whole;
    return this.#planToMember(written, current, path);
  }

  #planToMember(written: TypeSchema, current: TypeSchema, path: string): Plan {
    let nearest: Refusal | undefined;
    for (const member of membersOf(current)) {
      const plan = this.plan(written, member, path);
      if (plan.kind === 'read') return plan;
      // Of several reasons, the one from inside a member of the same kind says most.
      if (member.kind === written.kind) nearest ??= plan;
    }
    const leaves = membersOf(current).filter((member) => childrenOf(member).length === 0);
    if (written.kind === 'enum' && holdsAll(leaves, written.values)) return readAs(written);
    return nearest ?? changed(written, current, path);
  }

  #planAlike(written: TypeSchema, current: TypeSchema, path: string): Plan {
    const fromObject = asObject(written);
    const toObject = asObject(current);
    if (fromObject && toObject) return planObject(fromObject, toObject, path, this);
    const fromTuple = asTuple(written);
    const toTuple = asTuple(current);
    if (fromTuple && toTuple) return this.#planTuple(fromTuple, toTuple, path);
    if (written.kind === 'set' && current.kind === 'set') {
      const item = this.plan(written.of, current.of, `${path}[]`);
      if (item.kind === 'refuse') return item;
      return { kind: 'read', read: (from) => new Set(readItems(from, [], item.read)) };
    }
    if (written.kind === 'map' && current.kind === 'map') {
      const key = this.plan(written.key, current.key, `${path}.keys()[]`);
      if (key.kind === 'refuse') return key;
      const value = this.plan(written.value, current.value, `${path}.get()`);
      if (value.kind === 'refuse') return value;
      return { kind: 'read', read: (from) => readMap(from, key.read, value.read) };
    }
    if (written.kind === 'enum' && holdsAll([current], written.values)) return readAs(written);
    const isWidened = written.kind === 'int32' && current.kind === 'float64';
    const isSameLeaf = written.kind === current.kind && isReadable(written);
    return isWidened || isSameLeaf ? readAs(written) : changed(written, current, path);
  }

  #planTuple(written: TupleSchema, current: TupleSchema, path: string): Plan {
    const { least = written.of.length } = written;
    const fewer = least < (current.least ?? current.of.length);
    const more =
      current.rest === undefined &&
      (written.rest !== undefined || written.of.length > current.of.length);
    if (fewer || more) return changed(written, current, path);
    const reads: Read[] = [];
    const declared = Math.max(written.of.length, current.of.length);
    for (let i = 0; i <= declared; i++) {
      const from = written.of[i] ?? written.rest;
      const to = current.of[i] ?? current.rest;
      if (from === undefined || to === undefined) break;
      const plan = this.plan(from, to, `${path}[${i < declared ? i : ''}]`);
      if (plan.kind === 'refuse') return plan;
      reads.push(plan.read);
    }
    const rest = reads[declared];
    return { kind: 'read', read: (from) => readItems(from, reads, rest) };
  }
}

function isRecursive({ kind }: TypeSchema): boolean {
  return kind === 'recursive' || kind === 'ref';
}

function bodyOf(schema: TypeSchema): TypeSchema {
  return schema.kind === 'recursive' ? schema.of : schema;
}

/** A record is an object that declares nothing; they have the same bytes. */
function asObject(schema: TypeSchema): ObjectSchema | undefined {
  if (schema.kind === 'record') return { kind: 'object', fields: [], rest: schema.of };
  return schema.kind === 'object' ? schema : undefined;
}

/** An array is a tuple that declares nothing; they have the same bytes. */
function asTuple(schema: TypeSchema): TupleSchema | undefined {
  if (schema.kind === 'array') return { kind: 'tuple', of: [], rest: schema.of };
  return schema.kind === 'tuple' ? schema : undefined;
}

function holdsAll(members: readonly TypeSchema[], values: readonly unknown[]): boolean {
  return values.every((value) => members.some((member) => misfitOf(member, value) === undefined));
}

/** Whether a type without parts can be read by its schema alone. */
function isReadable({ kind }: TypeSchema): boolean {
  return kind !== 'custom' && kind !== 'enum';
}

function readAs(written: TypeSchema): Plan {
  const codec = codecOf(written);
  return { kind: 'read', read: (from) => codec.read(from) };
}

function changed(written: TypeSchema, current: TypeSchema, path: string): Refusal {
  return refuse(path, `was ${schemaText(written)} and is now ${schemaText(current)}`);
}

function readPair({ read }: Pair, from: ByteReader): unknown {
  assert(read !== undefined, 'a recursive type is read before it is planned');
  return read(from);
}
