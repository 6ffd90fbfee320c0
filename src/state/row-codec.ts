/**
 * How the values of one state's rows become bytes, and whether bytes of an earlier declaration can
 * still be read (docs/formats/keyed-run.md, "Values").
 */
import type { StateSchema } from '../contracts/snapshots.ts';
import type { AnyStateDescriptor } from '../contracts/state.ts';
import { ByteReader, ByteWriter } from '../serde/bytes.ts';
import type { Resolution, Serializer } from '../serde/serializer.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import type { TypeSchema } from '../serde/type-schema.ts';
import { kindChanged, schemaRefused, type RefusedSchema } from './errors.ts';
import type { ListRow } from './list-state.ts';

export interface RowCodec {
  readonly schema: StateSchema;
  /** Of a row's value; for lists, of a `ListRow`. */
  readonly serializer: Serializer<unknown>;
}

/** How to read what a run holds of one state. */
export interface StoredRows {
  readonly kind: StateSchema['kind'];
  readonly serializer: Serializer<unknown>;
  /** What the serializer is to resolve, as the values were written under it. */
  readonly written: TypeSchema;
  readonly convertMapKey: ((key: unknown) => unknown) | undefined;
}

const timerSerializer = serializerOf({ kind: 'int32' }) as Serializer<unknown>;

/** The codec of a timer's rows, which all have the value 0. */
export function timerCodec(name: string): RowCodec {
  const value = timerSerializer.describe();
  return { schema: { name, kind: 'timers', value }, serializer: timerSerializer };
}

export function rowCodecOf(descriptor: AnyStateDescriptor): RowCodec {
  const value = valueSerializerOf(descriptor);
  const schema: StateSchema = {
    name: descriptor.name,
    kind: descriptor.kind,
    value: value.describe(),
    ...(descriptor.kind === 'map' ? { key: descriptor.key.describe() } : {}),
    ...(descriptor.ttl === undefined ? {} : { ttlMs: descriptor.ttl.ttlMs }),
  };
  return { schema, serializer: descriptor.kind === 'list' ? listSerializer(value) : value };
}

/** What each element of a list, or the value of any other state, is written with. */
function valueSerializerOf(descriptor: AnyStateDescriptor): Serializer<unknown> {
  switch (descriptor.kind) {
    case 'value':
    case 'reducing':
      return descriptor.serializer as Serializer<unknown>;
    case 'list':
      return descriptor.element as Serializer<unknown>;
    case 'map':
      return descriptor.value as Serializer<unknown>;
    case 'aggregating':
      return descriptor.accumulator as Serializer<unknown>;
  }
}

export interface DeclaredRows {
  readonly descriptor: AnyStateDescriptor | 'timers';
  readonly codec: RowCodec;
}

/**
 * @throws {EngineError} `STA-002` (`invalid`) if the written type cannot become the declared one,
 * `STA-003` (`invalid`) if the kind of state changed.
 */
export function storedRowsOf(
  uid: string,
  written: StateSchema,
  declared: DeclaredRows,
): StoredRows {
  const { descriptor, codec } = declared;
  const { kind } = codec.schema;
  const state = written.name;
  if (written.kind !== kind) {
    throw kindChanged({ uid, state, stored: written.kind, declared: kind });
  }
  const { serializer } = codec;
  const value: TypeSchema = kind === 'list' ? listOf(written.value) : written.value;
  accepted(serializer.resolve(value), { uid, state, part: 'value' });
  if (descriptor === 'timers' || descriptor.kind !== 'map' || written.key === undefined) {
    return { kind, serializer, written: value, convertMapKey: undefined };
  }
  const keys = descriptor.key as Serializer<unknown>;
  const convertMapKey = converterOf(
    written.key,
    accepted(keys.resolve(written.key), { uid, state, part: 'map key' }),
  );
  return { kind, serializer, written: value, convertMapKey };
}

/** How to read a run's rows as they were written, without the operator that wrote them. */
export function rawRowsOf(written: StateSchema): StoredRows {
  const element: Serializer<unknown> = serializerOf(written.value);
  const serializer = written.kind === 'list' ? listSerializer(element) : element;
  return {
    kind: written.kind,
    serializer,
    written: serializer.describe(),
    convertMapKey: undefined,
  };
}

type Accepted = Exclude<Resolution<unknown>, { kind: 'refuse' }>;

function accepted(resolution: Resolution<unknown>, where: Omit<RefusedSchema, 'why'>): Accepted {
  if (resolution.kind === 'refuse') throw schemaRefused({ ...where, why: resolution.why });
  return resolution;
}

/** Map keys are stored as canonical keys, not by their serializer; a migration reads its bytes. */
function converterOf(
  written: TypeSchema,
  resolution: Accepted,
): ((value: unknown) => unknown) | undefined {
  if (resolution.kind === 'same' || written.kind === 'custom') return undefined;
  const before: Serializer<unknown> = serializerOf(written);
  const scratch = new ByteWriter();
  return (value) => {
    scratch.reset();
    before.write(value, scratch);
    return resolution.read(new ByteReader(scratch.view()));
  };
}

function listOf(element: TypeSchema): TypeSchema {
  return { kind: 'array', of: element };
}

/** Described as an array of its elements; the bytes have their expiry times besides. */
export function listSerializer(element: Serializer<unknown>): Serializer<unknown> {
  const serializer: Serializer<ListRow> = {
    write: (row, to) => writeList(row, element, to),
    read: (from) => readList(from, (each) => element.read(each)),
    copy: ({ items, expiresMs }) => ({
      items: items.map((item) => element.copy(item)),
      expiresMs: expiresMs?.slice(),
      shared: false,
    }),
    describe: () => listOf(element.describe()),
    resolve: (written): Resolution<ListRow> => {
      if (written.kind !== 'array') return { kind: 'refuse', why: 'it was no list' };
      const resolution = element.resolve(written.of);
      if (resolution.kind !== 'migrate') return resolution;
      return { kind: 'migrate', read: (from) => readList(from, resolution.read) };
    },
  };
  return serializer;
}

function writeList(row: ListRow, element: Serializer<unknown>, to: ByteWriter): void {
  to.varint(row.items.length);
  to.uint8(row.expiresMs === undefined ? 0 : 1);
  if (row.expiresMs !== undefined) for (const expiry of row.expiresMs) to.float64(expiry);
  for (const item of row.items) element.write(item, to);
}

function readList(from: ByteReader, element: (from: ByteReader) => unknown): ListRow {
  const count = from.count(0);
  const expires = from.uint8() === 1;
  const expiresMs: number[] = [];
  if (expires) for (let i = 0; i < count; i++) expiresMs.push(from.float64());
  const items: unknown[] = [];
  for (let i = 0; i < count; i++) items.push(element(from));
  return { items, expiresMs: expires ? expiresMs : undefined, shared: false };
}
