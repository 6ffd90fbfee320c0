/**
 * The columns of a Parquet file, from the structure of its rows, and rows as these columns take them.
 *
 * Always holds: a value either fits its column exactly or is refused here, before anything of its
 * row is taken; what the library gets needs no conversion any more.
 */
import type { SchemaElement } from 'hyparquet';
import { membersOf, type FieldSchema, type TypeSchema } from '../../serde/type-schema.ts';
import { badFormatOption, noParquetColumn } from '../errors.ts';
import { leafOf, type ParquetColumnType } from './parquet-leaves.ts';
import {
  listTake,
  mapTake,
  structTake,
  type Size,
  type Take,
  type TakenField,
} from './parquet-takes.ts';

/** A column, or a part of one, that has neither name nor place yet. */
export interface Shape {
  readonly element: Omit<SchemaElement, 'name'>;
  readonly children: readonly SchemaElement[];
  readonly take: Take;
}

export interface ParquetColumns {
  /** The file's schema, root first, depth first. */
  readonly schema: SchemaElement[];
  readonly names: readonly string[];
  /** The values of a row, in the order of the columns. */
  readonly take: (row: unknown, size: Size) => unknown[];
}

/** Names by their paths in the row: `at`, `order.price`, `items[].count`. */
export type AskedTypes = Readonly<Record<string, ParquetColumnType>>;

/**
 * @throws {EngineError} `FMT-008` (`invalid`) for a type that Parquet has no column for, `FMT-003`
 * for a column in `asked` that is not there.
 */
export function parquetColumns(row: TypeSchema, asked: AskedTypes = {}): ParquetColumns {
  if (row.kind !== 'object') {
    throw noParquetColumn(
      '',
      `rows of the type ${row.kind}`,
      'Give a schema such as z.object({…}).',
    );
  }
  const builder = new Builder(asked);
  const { element, children, take } = builder.struct(row, '');
  const unknown = builder.unused();
  if (unknown !== undefined) {
    throw badFormatOption(
      `types["${unknown}"]`,
      asked[unknown],
      'the path of a column, as in "order.price"',
    );
  }
  const names = row.fields.map(({ name }) => name);
  return {
    schema: [{ ...element, name: 'root' }, ...children],
    names,
    take: (value, size) => {
      const taken = take(value, size) as Readonly<Record<string, unknown>>;
      return names.map((name) => taken[name]);
    },
  };
}

/** Parts of the file's schema, with how values get into them. */
interface Placed {
  readonly elements: readonly SchemaElement[];
  readonly take: Take;
}

class Builder {
  readonly #asked: AskedTypes;
  readonly #unused: Set<string>;

  constructor(asked: AskedTypes) {
    this.#asked = asked;
    this.#unused = new Set(Object.keys(asked));
  }

  /** A path that was asked for and is not there. */
  unused(): string | undefined {
    return [...this.#unused][0];
  }

  struct(type: Extract<TypeSchema, { kind: 'object' }>, path: string): Shape {
    const { fields, rest } = type;
    if (rest !== undefined) {
      throw noParquetColumn(
        path,
        'an object with any further fields',
        'List all fields, or use z.record() for a map.',
      );
    }
    if (fields.length === 0) {
      throw noParquetColumn(path, 'an object without fields', 'Give it a field, or leave it out.');
    }
    const parts = fields.map((field) => this.#field(field, path));
    return {
      element: { num_children: parts.length },
      children: parts.flatMap(({ elements }) => elements),
      take: structTake(path, parts),
    };
  }

  #field({ name, type, optional = false }: FieldSchema, path: string): Placed & TakenField {
    // Assigning to it would set an object's prototype instead of a field.
    if (name === '__proto__')
      throw noParquetColumn(path, 'the name __proto__', 'Rename the field.');
    const at = path === '' ? name : `${path}.${name}`;
    return { name, ...this.#place(name, type, optional, at) };
  }

  #place(name: string, type: TypeSchema, optional: boolean, path: string): Placed {
    const all = membersOf(type);
    const members = all.flatMap(withoutNull);
    const isOptional = optional || all.some(takesNull);
    const [only] = members;
    if (only === undefined || members.length > 1) {
      const what = only === undefined ? 'a value that is always null' : 'a union of types';
      throw noParquetColumn(path, what, 'Give one type, or map it to text.');
    }
    const { element, children, take } = this.#shape(only, path);
    const repetition_type = isOptional ? 'OPTIONAL' : 'REQUIRED';
    return {
      elements: [{ ...element, name, repetition_type }, ...children],
      take: isOptional
        ? (value, size) => (value === undefined || value === null ? null : take(value, size))
        : take,
    };
  }

  #shape(type: TypeSchema, path: string): Shape {
    this.#unused.delete(path);
    const asked = this.#asked[path];
    if (asked === undefined) {
      if (type.kind === 'object') return this.struct(type, path);
      if (type.kind === 'array') return this.#list(type.of, path);
      if (type.kind === 'record') return this.#map(type.of, path);
    }
    return leafOf(type, path, asked);
  }

  #list(of: TypeSchema, path: string): Shape {
    const item = this.#place('element', of, false, `${path}[]`);
    return {
      element: { num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
      children: [{ name: 'list', repetition_type: 'REPEATED', num_children: 1 }, ...item.elements],
      take: listTake(path, item.take),
    };
  }

  #map(of: TypeSchema, path: string): Shape {
    const item = this.#place('value', of, false, `${path}[]`);
    const key = leafOf({ kind: 'string' }, path, undefined);
    return {
      element: { num_children: 1, converted_type: 'MAP', logical_type: { type: 'MAP' } },
      children: [
        { name: 'key_value', repetition_type: 'REPEATED', num_children: 2 },
        { ...key.element, name: 'key', repetition_type: 'REQUIRED' },
        ...item.elements,
      ],
      take: mapTake(path, key.take, item.take),
    };
  }
}

function takesNull(type: TypeSchema): boolean {
  const { kind } = type;
  return kind === 'null' || kind === 'undefined' || (kind === 'enum' && type.values.includes(null));
}

function withoutNull(type: TypeSchema): TypeSchema[] {
  if (type.kind !== 'enum') return takesNull(type) ? [] : [type];
  return [{ kind: 'enum', values: type.values.filter((value) => value !== null) }];
}
