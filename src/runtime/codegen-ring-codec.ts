/**
 * Writes the text of a schema's codec: one function that puts a record into the columns of the slot
 * being filled, and one that makes records of a slot. Each schema has a text of its own, so offsets
 * are constants and a record is one object literal, whose hidden class is that of the records which
 * the program makes itself.
 *
 * The text is made from literals, offsets and `quoted` names; everything else comes in through the
 * object `d`. How it reads:
 *
 * - `b` is where the slot begins, `i` the row, `k` the row among those of its shape, `p` the place
 *   in the heap, counted from the slot's beginning.
 * - Nothing counts before `w.row` moves on, so a record that is found not to fit leaves no trace.
 * - `r_2` is the object in the third field of `r`.
 * - The names of a record are compared one by one: a further, a missing or a moved field makes it
 *   another shape.
 */
import { SHORT_TEXT_MAX, type ReadShortText } from '../serde/codegen-latin1.ts';
import { indent, quoted } from './codegen-text.ts';
import type { RingSlots } from './ring-slots.ts';
import {
  columnsOf,
  HASHES_AT,
  layoutOf,
  TIMESTAMPS_AT,
  type ColumnLayout,
  type Field,
  type FrameLayout,
  type FrameSchema,
  type Shape,
} from './ring-schema.ts';

/** The record is in the slot. */
export const TAKEN = 0;
/** It has another shape, or a wider one. */
export const MISFIT = 1;
/** What is left of the slot is too small for it. */
export const FULL = 2;

/** Where the writer is in the slot that it fills. */
export interface FrameCursor {
  base: number;
  row: number;
  /** The first free byte of the heap, from the slot's beginning. */
  heap: number;
}

export type AppendRecord = (
  cursor: FrameCursor,
  record: unknown,
  timestampMs: number,
  hash: number,
) => typeof TAKEN | typeof MISFIT | typeof FULL;

/** Puts `rows` records of the slot at `base` into `values`. */
export type ReadRecords = (base: number, rows: number, values: unknown[]) => void;

export interface WriteHelpers {
  /** Writes a value as bytes at `at`; how many they are, or -1 if there are more than `room`. */
  readonly any: (value: unknown, at: number, room: number) => number;
  /** Writes two bytes per character. */
  readonly wide: (text: string, at: number) => void;
}

export interface ReadHelpers {
  readonly any: (at: number, length: number) => unknown;
  readonly short: ReadShortText;
  readonly narrow: (at: number, length: number) => string;
  readonly wide: (at: number, length: number) => string;
}

export function generateAppend(
  slots: RingSlots,
  schema: FrameSchema,
  helpers: WriteHelpers,
): AppendRecord {
  const layout = layoutOf(schema, slots.slotBytes);
  const shapes = schema.shapes.map((shape, index) => shapeText(shape, index, layout, slots));
  const text = [
    '"use strict";',
    'const { i32, f64, u8, any, wide, getPrototypeOf, plain } = d;',
    ...schema.shapes.flatMap((shape, index) =>
      objectsOf(shape).map(
        ({ path, fields }) => `const names${index}${path} = ${namesText(fields)};`,
      ),
    ),
    ...counters(schema),
    ...shapes.flat(),
    ...appendText(schema, layout),
  ].join('\n');
  const make = new Function('d', text) as (d: object) => AppendRecord;
  const { int32: i32, float64: f64, bytes: u8 } = slots;
  const { getPrototypeOf, prototype: plain } = Object;
  return make({ i32, f64, u8, ...helpers, getPrototypeOf, plain });
}

export function generateRead(
  slots: RingSlots,
  schema: FrameSchema,
  helpers: ReadHelpers,
): ReadRecords {
  const layout = layoutOf(schema, slots.slotBytes);
  const text = [
    '"use strict";',
    'const { i32, f64, u8, any, short, narrow, wide } = d;',
    ...readText(schema, layout),
  ].join('\n');
  const make = new Function('d', text) as (d: object) => ReadRecords;
  const { int32: i32, float64: f64, bytes: u8 } = slots;
  return make({ i32, f64, u8, ...helpers });
}

function namesText(fields: readonly Field[]): string {
  return `[${fields.map(({ name }) => quoted(name)).join(', ')}]`;
}

/** The record or an object within it; its name in the text is `r` with the path. */
interface ObjectText {
  readonly path: string;
  readonly fields: readonly Field[];
}

/** The objects of a record, each before those within it. */
function objectsOf(shape: Shape): ObjectText[] {
  const within = (fields: readonly Field[], path: string): ObjectText[] => [
    { path, fields },
    ...fields.flatMap((field, at) =>
      field.kind === 'object' ? within(field.fields, `${path}_${at}`) : [],
    ),
  ];
  return shape.kind === 'object' ? within(shape.fields, '') : [];
}

/** With several shapes, each counts its own rows. */
function counters({ shapes }: FrameSchema): string[] {
  return shapes.length === 1 ? [] : shapes.map((_, index) => `let k${index} = 0;`);
}

function appendText({ shapes }: FrameSchema, { tagsAt }: FrameLayout): string[] {
  const isOne = shapes.length === 1;
  const tries = shapes.map((_, index) => [
    `let outcome = shape${index}(w, r, i);`,
    ...(isOne
      ? [`if (outcome !== ${TAKEN}) return outcome;`]
      : [
          `if (outcome === ${FULL}) return ${FULL};`,
          `if (outcome === ${TAKEN}) { u8[w.base + ${tagsAt} + i] = ${index}; k${index}++; break; }`,
        ]),
  ]);
  const reset = shapes.map((_, index) => `k${index} = 0;`).join(' ');
  return [
    'return function append(w, r, t, h) {',
    '  const i = w.row;',
    ...(isOne
      ? indent(tries.flat())
      : [
          `  if (i === 0) { ${reset} }`,
          '  do {',
          ...tries.map((one) => `    { ${one.join(' ')} }`),
          `    return ${MISFIT};`,
          '  } while (false);',
        ]),
    `  f64[((w.base + ${TIMESTAMPS_AT}) >> 3) + i] = t;`,
    `  i32[((w.base + ${HASHES_AT}) >> 2) + i] = h;`,
    '  w.row = i + 1;',
    `  return ${TAKEN};`,
    '};',
  ];
}

/** Writes the columns of a record of one shape, behind all checks of its form. */
function shapeText(shape: Shape, index: number, layout: FrameLayout, slots: RingSlots): string[] {
  const columns = layout.shapes[index] ?? [];
  const end = slots.slotBytes;
  const k = layout.shapes.length === 1 ? 'i' : `k${index}`;
  return [
    `function shape${index}(w, r, i) {`,
    ...indent([
      ...(shape.kind === 'value'
        ? ['const v0 = r;']
        : fieldReads(shape.fields, 'r', columnNames())),
      ...columns.flatMap(({ column }, at) => checkText(`v${at}`, column)),
      ...objectsOf(shape).flatMap((one) => namesCheck(index, one)),
      `const b = w.base; const k = ${k}; let p = w.heap;`,
      ...columns.flatMap((column, at) => writeColumn(`v${at}`, column, end)),
      'w.heap = p;',
      `return ${TAKEN};`,
    ]),
    '}',
  ];
}

/** Names the columns in the order in which the fields are met. */
function columnNames(): () => string {
  let next = 0;
  return () => `v${next++}`;
}

function fieldReads(fields: readonly Field[], object: string, column: () => string): string[] {
  return [
    `if (typeof ${object} !== 'object' || ${object} === null || getPrototypeOf(${object}) !== plain) return ${MISFIT};`,
    ...fields.flatMap((field, at) => {
      const read = `${object}[${quoted(field.name)}];`;
      if (field.kind !== 'object') return [`const ${column()} = ${read}`];
      const within = `${object}_${at}`;
      return [`const ${within} = ${read}`, ...fieldReads(field.fields, within, column)];
    }),
  ];
}

function namesCheck(index: number, { path, fields }: ObjectText): string[] {
  const names = `names${index}${path}`;
  return [
    '{',
    ...indent([
      'let n = 0;',
      `for (const name in r${path}) { if (name !== ${names}[n]) return ${MISFIT}; n++; }`,
      `if (n !== ${fields.length}) return ${MISFIT};`,
    ]),
    '}',
  ];
}

function checkText(v: string, { kind, nullable }: ColumnLayout['column']): string[] {
  const misfit = misfitTest(v, kind);
  if (misfit === undefined) return [];
  const test = nullable ? `${v} !== null && ${v} !== undefined && (${misfit})` : misfit;
  return [`if (${test}) return ${MISFIT};`];
}

function misfitTest(v: string, kind: ColumnLayout['column']['kind']): string | undefined {
  switch (kind) {
    case 'none':
      return 'true';
    case 'int32':
      // The type first: a bigint cannot be calculated with like this, and an object would be asked.
      return `typeof ${v} !== 'number' || (${v} | 0) !== ${v} || (${v} === 0 && 1 / ${v} < 0)`;
    case 'float64':
      return `typeof ${v} !== 'number'`;
    case 'boolean':
    case 'string':
      return `typeof ${v} !== '${kind}'`;
    case 'any':
      return undefined;
  }
}

function writeColumn(v: string, layout: ColumnLayout, end: number): string[] {
  const { column, at, markersAt } = layout;
  const write = writeValue(v, column.kind, at, end);
  if (!column.nullable) return ['{', ...indent(write), '}'];
  return [
    `if (${v} === null) u8[b + ${markersAt} + k] = 1;`,
    `else if (${v} === undefined) u8[b + ${markersAt} + k] = 2;`,
    'else {',
    ...indent([`u8[b + ${markersAt} + k] = 0;`, ...write]),
    '}',
  ];
}

function writeValue(
  v: string,
  kind: ColumnLayout['column']['kind'],
  at: number,
  end: number,
): string[] {
  const int32 = `i32[((b + ${at}) >> 2) + k]`;
  switch (kind) {
    case 'none':
      return [];
    case 'int32':
      return [`${int32} = ${v};`];
    case 'float64':
      return [`f64[((b + ${at}) >> 3) + k] = ${v};`];
    case 'boolean':
      return [`u8[b + ${at} + k] = ${v} ? 1 : 0;`];
    case 'any':
      return [
        `const n = any(${v}, b + p, ${end} - p);`,
        `if (n < 0) return ${FULL};`,
        `${int32} = n; p += n;`,
      ];
    case 'string':
      return [
        `const n = ${v}.length;`,
        `if (p + n > ${end}) return ${FULL};`,
        'const q = b + p;',
        'let seen = 0;',
        `for (let j = 0; j < n; j++) { const c = ${v}.charCodeAt(j); seen |= c; u8[q + j] = c; }`,
        `if (seen < 256) { ${int32} = n; p += n; }`,
        'else {',
        `  if (p + 2 * n > ${end}) return ${FULL};`,
        `  wide(${v}, q); ${int32} = -n; p += 2 * n;`,
        '}',
      ];
  }
}

function readText(schema: FrameSchema, layout: FrameLayout): string[] {
  const { shapes } = schema;
  const bodies = shapes.map((shape, index) => rowText(shape, layout.shapes[index] ?? []));
  const rows =
    shapes.length === 1
      ? ['const k = i;', ...(bodies[0] ?? [])]
      : [
          `switch (u8[b + ${layout.tagsAt} + i]) {`,
          ...bodies.flatMap((body, index) => [
            `case ${index}: {`,
            ...indent([`const k = k${index}++;`, ...body, 'break;']),
            '}',
          ]),
          '}',
        ];
  return [
    'return function read(b, rows, values) {',
    ...indent([
      `let p = b + ${layout.heapAt};`,
      ...counters(schema),
      'for (let i = 0; i < rows; i++) {',
      ...indent(rows),
      '}',
    ]),
    '};',
  ];
}

function rowText(shape: Shape, layouts: readonly ColumnLayout[]): string[] {
  const columns = columnsOf(shape).flatMap((_, at) => readColumn(`v${at}`, layouts[at]));
  if (shape.kind === 'value') return [...columns, 'values[i] = v0;'];
  return [...columns, `values[i] = ${literalOf(shape.fields, columnNames())};`];
}

function literalOf(fields: readonly Field[], column: () => string): string {
  const texts = fields.map((field) => {
    const value = field.kind === 'object' ? literalOf(field.fields, column) : column();
    // In brackets `__proto__` is a name like any other.
    return field.name === '__proto__'
      ? `["__proto__"]: ${value}`
      : `${quoted(field.name)}: ${value}`;
  });
  return `{ ${texts.join(', ')} }`;
}

function readColumn(v: string, layout: ColumnLayout | undefined): string[] {
  if (layout === undefined) return [];
  const { column, at, markersAt } = layout;
  const read = readValue(v, column.kind, at);
  if (!column.nullable) return [`let ${v};`, '{', ...indent(read), '}'];
  return [
    `let ${v};`,
    `switch (u8[b + ${markersAt} + k]) {`,
    ...indent([
      `case 1: ${v} = null; break;`,
      `case 2: ${v} = undefined; break;`,
      `default: { ${read.join(' ')} }`,
    ]),
    '}',
  ];
}

function readValue(v: string, kind: ColumnLayout['column']['kind'], at: number): string[] {
  const int32 = `i32[((b + ${at}) >> 2) + k]`;
  switch (kind) {
    case 'none':
      return [];
    case 'int32':
      return [`${v} = ${int32};`];
    case 'float64':
      return [`${v} = f64[((b + ${at}) >> 3) + k];`];
    case 'boolean':
      return [`${v} = u8[b + ${at} + k] === 1;`];
    case 'any':
      return [`const n = ${int32};`, `${v} = any(p, n); p += n;`];
    case 'string':
      return [
        `const n = ${int32};`,
        `if (n < 0) { ${v} = wide(p, -n); p -= 2 * n; }`,
        `else { ${v} = n <= ${SHORT_TEXT_MAX} ? short(u8, p, n) : narrow(p, n); p += n; }`,
      ];
  }
}
