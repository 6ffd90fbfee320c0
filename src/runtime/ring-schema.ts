/**
 * What the records of a ring look like: the shapes that were seen so far, and where the columns of
 * each are in a slot. Pure; both sides compute the same layout from the same schema.
 *
 *   header | timestamps | hashes | shape of each row | columns of each shape | heap of text and bytes
 *
 * A field that is a plain object itself has no column but those of its fields, as long as its names
 * are the same in each record.
 *
 * Always holds: a column only widens, so a schema is replaced a bounded number of times; the value
 * shape is the last one, and once its column is `any` every record fits.
 */
import { BATCH_RECORDS_MAX } from './channel.ts';
import { SLOT_HEADER_BYTES } from './ring-slots.ts';

/** `none`: only null and undefined so far. `any`: whatever `serde` can write, as msgpack. */
export type ColumnKind = 'none' | 'int32' | 'float64' | 'boolean' | 'string' | 'any';

export interface Column {
  readonly kind: ColumnKind;
  /** A byte per row tells null and undefined from a value. `any` needs none. */
  readonly nullable: boolean;
}

/** A plain object with just these fields, in this order; never null or undefined. */
export interface NestedObject {
  readonly kind: 'object';
  readonly fields: readonly Field[];
}

export type Field = { readonly name: string } & (Column | NestedObject);

export type Shape =
  /** Plain objects with just these fields, in this order. */
  | { readonly kind: 'object'; readonly fields: readonly Field[] }
  /** Every other record, in one column. */
  | { readonly kind: 'value'; readonly column: Column };

export interface FrameSchema {
  readonly shapes: readonly Shape[];
}

/** Object shapes with columns of their own; more of them are written as `any`. */
export const SHAPES_MAX = 4;
/** Fields of an object within a record, and how deep such objects lie; others are written as `any`. */
const NESTED_FIELDS_MAX = 32;
const NESTED_DEPTH_MAX = 4;
/** A schema that lets fewer rows into a slot is not worth its columns. */
const ROWS_MIN = 16;

export const TIMESTAMPS_AT = SLOT_HEADER_BYTES;
export const HASHES_AT = TIMESTAMPS_AT + 8 * BATCH_RECORDS_MAX;
const COLUMNS_AT = HASHES_AT + 4 * BATCH_RECORDS_MAX;

/** Of a slot: offsets in bytes from its beginning. */
export interface FrameLayout {
  readonly rows: number;
  /** One byte per row, its shape; only where there are several. */
  readonly tagsAt: number;
  readonly shapes: readonly (readonly ColumnLayout[])[];
  /** Everything that has bytes for each row, in order. */
  readonly sections: readonly FrameSection[];
  readonly heapAt: number;
}

export interface FrameSection {
  readonly at: number;
  readonly bytesPerRow: number;
}

export interface ColumnLayout {
  readonly column: Column;
  readonly at: number;
  /** Where the byte per row is; only for nullable columns. */
  readonly markersAt: number;
}

/** The schema that takes `record` too; `undefined` if it gets too wide. */
export function widened(
  schema: FrameSchema,
  record: unknown,
  slotBytes: number,
): FrameSchema | undefined {
  const wider = isColumnar(record)
    ? withObject(schema.shapes, record)
    : withValue(schema.shapes, record);
  if (wider === undefined) return undefined;
  return rowsOf(wider, slotBytes) >= ROWS_MIN ? { shapes: wider } : undefined;
}

/** The schema with which every record fits. */
export function generalized(schema: FrameSchema): FrameSchema {
  const general: Shape = { kind: 'value', column: { kind: 'any', nullable: false } };
  return { shapes: [...objectShapes(schema.shapes), general] };
}

export function layoutOf({ shapes }: FrameSchema, slotBytes: number): FrameLayout {
  const rows = rowsOf(shapes, slotBytes);
  let at = COLUMNS_AT;
  const sections: FrameSection[] = [
    { at: TIMESTAMPS_AT, bytesPerRow: 8 },
    { at: HASHES_AT, bytesPerRow: 4 },
  ];
  const take = (bytesPerRow: number) => {
    const start = at;
    if (bytesPerRow > 0) sections.push({ at, bytesPerRow });
    at = aligned(at + bytesPerRow * rows);
    return start;
  };
  const tagsAt = take(shapes.length > 1 ? 1 : 0);
  const columns = shapes.map((shape) =>
    columnsOf(shape).map((column): ColumnLayout => {
      const markersAt = take(column.nullable ? 1 : 0);
      return { column, at: take(bytesOf(column.kind)), markersAt };
    }),
  );
  return { rows, tagsAt, shapes: columns, sections, heapAt: at };
}

/** In the order of the fields, those of an object where it stands. */
export function columnsOf(shape: Shape): readonly Column[] {
  return shape.kind === 'object' ? columnsOfFields(shape.fields) : [shape.column];
}

function columnsOfFields(fields: readonly Field[]): readonly Column[] {
  return fields.flatMap((field) =>
    field.kind === 'object' ? columnsOfFields(field.fields) : [field],
  );
}

/** Whether the record's fields can be columns without anything getting lost. */
function isColumnar(record: unknown): record is Readonly<Record<string, unknown>> {
  return (
    typeof record === 'object' &&
    record !== null &&
    Object.getPrototypeOf(record) === Object.prototype &&
    Object.getOwnPropertySymbols(record).length === 0
  );
}

function withObject(
  shapes: readonly Shape[],
  record: Readonly<Record<string, unknown>>,
): readonly Shape[] | undefined {
  const names = Object.keys(record);
  const index = shapes.findIndex((shape) => shape.kind === 'object' && hasNames(shape, names));
  const known = shapes[index];
  const before = known?.kind === 'object' ? known.fields : undefined;
  const shape: Shape = { kind: 'object', fields: widenedFields(before, record, 1) };
  if (index >= 0) return shapes.with(index, shape);
  const objects = objectShapes(shapes);
  if (objects.length === SHAPES_MAX) return undefined;
  return [...objects, shape, ...shapes.filter(({ kind }) => kind === 'value')];
}

function withValue(shapes: readonly Shape[], record: unknown): readonly Shape[] {
  const known = shapes.find((shape) => shape.kind === 'value');
  const column = widenedColumn(known?.column ?? { kind: 'none', nullable: false }, record);
  return [...objectShapes(shapes), { kind: 'value', column }];
}

function objectShapes(shapes: readonly Shape[]): Shape[] {
  return shapes.filter(({ kind }) => kind === 'object');
}

function hasNames({ fields }: NestedObject, names: readonly string[]): boolean {
  return fields.length === names.length && fields.every(({ name }, at) => name === names[at]);
}

/** @param before The fields so far, of the same names; undefined: there are none yet. */
function widenedFields(
  before: readonly Field[] | undefined,
  record: Readonly<Record<string, unknown>>,
  depth: number,
): Field[] {
  return Object.keys(record).map((name, at): Field => {
    const value = record[name];
    const field = before?.[at] ?? { kind: 'none', nullable: false };
    if (field.kind === 'object' || (field.kind === 'none' && !field.nullable)) {
      const nested = widenedObject(field.kind === 'object' ? field : undefined, value, depth);
      if (nested !== undefined) return { name, ...nested };
    }
    if (field.kind === 'object') return { name, ...columnOf('any', false) };
    return { name, ...widenedColumn(field, value) };
  });
}

/** Undefined: the value is no object whose fields can be columns, or one of other names. */
function widenedObject(
  before: NestedObject | undefined,
  value: unknown,
  depth: number,
): NestedObject | undefined {
  if (depth === NESTED_DEPTH_MAX || !isColumnar(value)) return undefined;
  const names = Object.keys(value);
  if (names.length > NESTED_FIELDS_MAX) return undefined;
  if (before !== undefined && !hasNames(before, names)) return undefined;
  return { kind: 'object', fields: widenedFields(before?.fields, value, depth + 1) };
}

function widenedColumn({ kind, nullable }: Column, value: unknown): Column {
  if (kind === 'any') return { kind, nullable };
  if (value === null || value === undefined) return { kind, nullable: true };
  const found = kindOf(value);
  if (kind === 'none' || kind === found) return columnOf(found, nullable);
  return columnOf(isNumeric(kind) && isNumeric(found) ? 'float64' : 'any', nullable);
}

function columnOf(kind: ColumnKind, nullable: boolean): Column {
  return { kind, nullable: nullable && kind !== 'any' };
}

function kindOf(value: unknown): ColumnKind {
  switch (typeof value) {
    case 'number':
      return (value | 0) === value && !Object.is(value, -0) ? 'int32' : 'float64';
    case 'boolean':
    case 'string':
      return typeof value as 'boolean' | 'string';
    default:
      return 'any';
  }
}

function isNumeric(kind: ColumnKind): boolean {
  return kind === 'int32' || kind === 'float64';
}

/** As many rows as fit; where text or bytes follow, they get half of the slot. */
function rowsOf(shapes: readonly Shape[], slotBytes: number): number {
  const columns = shapes.flatMap(columnsOf);
  const hasHeap = columns.some(({ kind }) => kind === 'string' || kind === 'any');
  const bytesPerRow = columns.reduce(
    (sum, one) => sum + bytesOf(one.kind) + (one.nullable ? 1 : 0),
    1,
  );
  const room = slotBytes - COLUMNS_AT - 8 * (2 * columns.length + 1);
  return Math.min(BATCH_RECORDS_MAX, Math.floor(room / (hasHeap ? 2 : 1) / bytesPerRow));
}

function bytesOf(kind: ColumnKind): number {
  switch (kind) {
    case 'none':
      return 0;
    case 'boolean':
      return 1;
    case 'float64':
      return 8;
    default:
      return 4;
  }
}

function aligned(at: number): number {
  return (at + 7) & ~7;
}
