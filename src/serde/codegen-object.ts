/**
 * The codec of an object type, as generated code. Fields are written in the order of their names
 * behind one bit per optional field, and read into one object literal in declared order, so that a
 * value that was read has the hidden class of one that the program made.
 *
 *   [bits of optional fields][fields that are there, by name][count and entries of other fields]
 */
import { isPlainObject } from '../common/key-hash.ts';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { MISFIT, type Codec } from './codec.ts';
import { corruptBytes } from './errors.ts';
import { ownValue, setOwn } from './plain.ts';
import { byName, type FieldSchema } from './type-schema.ts';

const BITS = 8;

interface Field extends FieldSchema {
  /** Position by name. Names the variables of the generated code. */
  readonly index: number;
  /** Which bit tells that it is there; `undefined` if it always is. */
  readonly bit: number | undefined;
  readonly codec: Codec;
}

interface Shape {
  readonly declared: readonly Field[];
  readonly sorted: readonly Field[];
  readonly bitBytes: number;
  readonly rest: Codec | undefined;
}

/** What generated code may use beside its own variables. */
interface Helpers {
  readonly MISFIT: Error;
  readonly isPlainObject: (value: object) => boolean;
  readonly own: typeof ownValue;
  readonly set: typeof setOwn;
  readonly extrasOf: (object: Record<string, unknown>) => readonly string[];
  readonly writeRest: (
    object: Record<string, unknown>,
    names: readonly string[],
    to: ByteWriter,
  ) => void;
  readonly readRest: (object: Record<string, unknown>, from: ByteReader) => void;
  readonly copyRest: (
    object: Record<string, unknown>,
    names: readonly string[],
    copy: Record<string, unknown>,
  ) => void;
  readonly codecs: readonly Codec[];
}

/** @param codecOf The codec of a field's type. @param rest Of fields that are not declared. */
export function objectCodec(
  fields: readonly FieldSchema[],
  codecOf: (field: FieldSchema) => Codec,
  rest: Codec | undefined,
): Codec {
  const shape = shapeOf(fields, codecOf, rest);
  const helpers = helpersOf(shape);
  return {
    write: generate(['o', 'w'], writeBody(shape), helpers) as Codec['write'],
    read: generate(['r'], readBody(shape), helpers) as Codec['read'],
    copy: generate(['o'], copyBody(shape), helpers) as Codec['copy'],
  };
}

function shapeOf(
  fields: readonly FieldSchema[],
  codecOf: (field: FieldSchema) => Codec,
  rest: Codec | undefined,
): Shape {
  let bits = 0;
  const sorted = fields.toSorted(byName).map((field, index): Field => {
    const bit = field.optional ? bits++ : undefined;
    return { ...field, index, bit, codec: codecOf(field) };
  });
  const byDeclaration = new Map(sorted.map((field) => [field.name, field]));
  const declared = fields.flatMap(({ name }) => byDeclaration.get(name) ?? []);
  return { declared, sorted, bitBytes: Math.ceil(bits / BITS), rest };
}

function helpersOf({ sorted, rest }: Shape): Helpers {
  const declared = new Set(sorted.map(({ name }) => name));
  const restOf = () => rest ?? NOTHING;
  return {
    MISFIT,
    isPlainObject,
    own: ownValue,
    set: setOwn,
    extrasOf: (object) => Object.keys(object).filter((name) => !declared.has(name)),
    writeRest(object, names, to) {
      to.varint(names.length);
      for (const name of names) {
        to.text(name);
        restOf().write(object[name], to);
      }
    },
    readRest(object, from) {
      for (let count = from.count(1); count > 0; count--) {
        const name = from.text();
        if (declared.has(name)) throw corruptBytes('a field comes twice', from.position);
        setOwn(object, name, restOf().read(from));
      }
    },
    copyRest(object, names, copy) {
      for (const name of names) setOwn(copy, name, restOf().copy(object[name]));
    },
    codecs: sorted.map(({ codec }) => codec),
  };
}

const NOTHING: Codec = {
  write() {
    throw MISFIT;
  },
  read: () => undefined,
  copy() {
    throw MISFIT;
  },
};

/** Each call makes a function of its own, with its own feedback; the text holds names only as literals. */
function generate(parameters: readonly string[], body: string, helpers: Helpers): unknown {
  const names = Object.keys(helpers).join(', ');
  const codecs = helpers.codecs.map((_, index) => `c${index} = codecs[${index}]`).join(', ');
  const source = [
    '"use strict";',
    `const { ${names} } = helpers;`,
    codecs === '' ? '' : `const ${codecs};`,
    `return function (${parameters.join(', ')}) { ${body} };`,
  ].join('\n');
  const make = new Function('helpers', source) as (helpers: Helpers) => unknown;
  return make(helpers);
}

/**
 * Takes the fields out of `o`: `v0`, `v1` …, with `p0` … for optional ones, and `x`, the names of
 * fields that the schema does not declare. Counting is what finds those cheaply, so `n` must be what
 * is there: a field that may be undefined could make room for one that nobody knows.
 */
function takeFields({ sorted, rest }: Shape): string {
  const certain = sorted.filter(isCertain).length;
  const lines = [
    'if (typeof o !== "object" || o === null || !isPlainObject(o)) throw MISFIT;',
    `let n = ${certain};`,
  ];
  for (const field of sorted) {
    const { index, name, bit } = field;
    lines.push(`const v${index} = ${access(name)};`);
    if (bit !== undefined) lines.push(`const p${index} = v${index} !== undefined;`);
    if (!isCertain(field)) lines.push(`if (v${index} !== undefined) n++;`);
  }
  lines.push('for (const name in o) n--;');
  // A field that is there but undefined also moves the count, so a difference is only a suspicion.
  if (rest !== undefined) lines.push('const x = n === 0 ? [] : extrasOf(o);');
  else lines.push('if (n !== 0 && extrasOf(o).length !== 0) throw MISFIT;');
  lines.push('if (Object.getOwnPropertySymbols(o).length !== 0) throw MISFIT;');
  return lines.join('\n');
}

/** Whether a value without this field is refused when it is written. */
function isCertain({ bit, type: { kind } }: Field): boolean {
  return bit === undefined && (kind === 'string' || kind === 'float64' || kind === 'int32');
}

/** Names that every object inherits are only fields if they are its own. */
function access(name: string): string {
  const literal = JSON.stringify(name);
  return name in Object.prototype ? `own(o, ${literal})` : `o[${literal}]`;
}

function writeBody(shape: Shape): string {
  const { sorted, bitBytes, rest } = shape;
  const lines = [takeFields(shape)];
  for (let byte = 0; byte < bitBytes; byte++) {
    const bits = sorted.filter(({ bit }) => bit !== undefined && Math.floor(bit / BITS) === byte);
    const terms = bits.map(({ index, bit }) => `(p${index} ? ${1 << ((bit ?? 0) % BITS)} : 0)`);
    lines.push(`w.uint8(${terms.join(' | ')});`);
  }
  for (const field of sorted) {
    const line = writeField(field);
    lines.push(field.bit === undefined ? line : `if (p${field.index}) { ${line} }`);
  }
  if (rest !== undefined) lines.push('writeRest(o, x, w);');
  return lines.join('\n');
}

function writeField({ index, type }: Field): string {
  const v = `v${index}`;
  switch (type.kind) {
    case 'string':
      return `if (typeof ${v} !== "string") throw MISFIT; w.text(${v});`;
    case 'float64':
      return `if (typeof ${v} !== "number") throw MISFIT; w.float64(${v});`;
    case 'int32':
      return `if ((${v} | 0) !== ${v}) throw MISFIT; w.int32(${v});`;
    default:
      return `c${index}.write(${v}, w);`;
  }
}

function readBody(shape: Shape): string {
  const { sorted, bitBytes, rest } = shape;
  const lines: string[] = [];
  for (let byte = 0; byte < bitBytes; byte++) lines.push(`const b${byte} = r.uint8();`);
  for (const field of sorted) {
    const test = bitTest(field);
    const read = readField(field);
    lines.push(`const v${field.index} = ${test === '' ? read : `${test} ? ${read} : undefined`};`);
  }
  lines.push(build(shape, bitTest, ({ index }) => `v${index}`));
  if (rest !== undefined) lines.push('readRest(o2, r);');
  lines.push('return o2;');
  return lines.join('\n');
}

function readField({ index, type }: Field): string {
  switch (type.kind) {
    case 'string':
      return 'r.text()';
    case 'float64':
      return 'r.float64()';
    case 'int32':
      return 'r.int32()';
    default:
      return `c${index}.read(r)`;
  }
}

function bitTest({ bit }: Field): string {
  if (bit === undefined) return '';
  return `(b${Math.floor(bit / BITS)} & ${1 << (bit % BITS)}) !== 0`;
}

function copyBody(shape: Shape): string {
  const present = ({ index, bit }: Field) => (bit === undefined ? '' : `p${index}`);
  const lines = [
    takeFields(shape),
    build(shape, present, ({ index }) => `c${index}.copy(v${index})`),
  ];
  if (shape.rest !== undefined) lines.push('copyRest(o, x, o2);');
  lines.push('return o2;');
  return lines.join('\n');
}

/** Makes `o2`: the fields up to the first optional one as a literal, the others one by one. */
function build(
  { declared }: Shape,
  present: (field: Field) => string,
  value: (field: Field) => string,
): string {
  const firstOptional = declared.findIndex(({ bit }) => bit !== undefined);
  const literal = firstOptional === -1 ? declared : declared.slice(0, firstOptional);
  const entries = literal.map((field) => `${literalKey(field.name)}: ${value(field)}`);
  const lines = [`const o2 = { ${entries.join(', ')} };`];
  for (const field of declared.slice(literal.length)) {
    const name = JSON.stringify(field.name);
    const set =
      field.name === '__proto__'
        ? `set(o2, ${name}, ${value(field)});`
        : `o2[${name}] = ${value(field)};`;
    const test = present(field);
    lines.push(test === '' ? set : `if (${test}) ${set}`);
  }
  return lines.join('\n');
}

/** Only a computed key makes a field named `__proto__`; any other would cost the fast literal. */
function literalKey(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name);
}
