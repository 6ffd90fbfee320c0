/** The columns that a sink wants against those of the table: what it writes, and what would have to change. */
import { below, type Column, type Columns, type ColumnType, typeWithIds } from './columns.ts';
import { schemaMisfit } from './errors.ts';
import {
  type IcebergType,
  isList,
  isMap,
  isStruct,
  promotes,
  type StructField,
  type StructType,
  type TableSchema,
} from './iceberg-type.ts';
import { currentSchema, type TableMetadata } from './table-metadata.ts';

export interface SchemaMatch {
  /** The table's fields that the sink writes, with their ids, in the order of its columns. */
  readonly written: readonly StructField[];
  /** Undefined if the table fits as it is. */
  readonly evolved: { readonly schema: TableSchema; readonly lastColumnId: number } | undefined;
}

/**
 * @param evolve Whether the table may be changed; otherwise what does not fit is refused.
 * @throws {EngineError} `ICE-004` (`invalid`).
 */
export function matchSchema(
  metadata: TableMetadata,
  columns: Columns,
  { table, evolve }: { readonly table: string; readonly evolve: boolean },
): SchemaMatch {
  const matcher = new Matcher(table, evolve, metadata['last-column-id']);
  const schema = currentSchema(metadata);
  const { all, written } = matcher.struct(schema, columns, '');
  if (!matcher.isChanged) return { written: written.fields, evolved: undefined };
  const id = Math.max(...metadata.schemas.map((each) => each['schema-id'])) + 1;
  return {
    written: written.fields,
    evolved: { schema: { ...schema, ...all, 'schema-id': id }, lastColumnId: matcher.ids.last },
  };
}

/** A part of the table's schema as it is to be, and of it what the sink writes. */
interface Matched<T> {
  readonly all: T;
  readonly written: T;
}

class Matcher {
  readonly ids: { last: number };
  isChanged = false;
  readonly #table: string;
  readonly #evolve: boolean;

  constructor(table: string, evolve: boolean, lastId: number) {
    this.#table = table;
    this.#evolve = evolve;
    this.ids = { last: lastId };
  }

  struct(have: StructType, want: Columns, path: string): Matched<StructType> {
    const all: StructField[] = [];
    const written = new Map<string, StructField>();
    for (const field of have.fields) {
      const column = Object.hasOwn(want, field.name) ? want[field.name] : undefined;
      if (column === undefined) {
        if (field.required) this.#refuse(below(path, field.name), 'the table requires it');
        all.push(field);
        continue;
      }
      const matched = this.#field(field, column, below(path, field.name));
      all.push(matched.all);
      written.set(field.name, matched.written);
    }
    for (const [name, column] of Object.entries(want)) {
      if (written.has(name)) continue;
      const fresh = this.#fresh(name, column, below(path, name));
      all.push(fresh);
      written.set(name, fresh);
    }
    const ofSink = Object.keys(want).flatMap((name) => written.get(name) ?? []);
    return { all: { ...have, fields: all }, written: { ...have, fields: ofSink } };
  }

  #field(field: StructField, column: Column, path: string): Matched<StructField> {
    let { required } = field;
    if (required && column.isOptional) {
      this.#change(path, 'it is required in the table and optional here');
      required = false;
    }
    const type = this.#type(field.type, column.type, path);
    return {
      all: { ...field, required, type: type.all },
      // What the sink does not let be null is refused as null, whatever the table would take.
      written: { ...field, required: !column.isOptional, type: type.written },
    };
  }

  #type(have: IcebergType, want: ColumnType, path: string): Matched<IcebergType> {
    if (want.kind === 'primitive') return this.#primitive(have, want.type, path);
    if (want.kind === 'struct' && isStruct(have)) return this.struct(have, want.fields, path);
    if (want.kind === 'list' && isList(have)) {
      const item = {
        id: have['element-id'],
        name: 'element',
        required: have['element-required'],
        type: have.element,
      };
      const { all, written } = this.#field(item, want.element, `${path}[]`);
      const listOf = (element: StructField): IcebergType => ({
        ...have,
        element: element.type,
        'element-required': element.required,
      });
      return { all: listOf(all), written: listOf(written) };
    }
    if (want.kind === 'map' && isMap(have)) {
      const key = this.#type(have.key, want.key.type, `${path}{key}`);
      const item = {
        id: have['value-id'],
        name: 'value',
        required: have['value-required'],
        type: have.value,
      };
      const { all, written } = this.#field(item, want.value, `${path}{value}`);
      const mapOf = (value: StructField): IcebergType => ({
        ...have,
        value: value.type,
        'value-required': value.required,
      });
      return {
        all: mapOf(all),
        written: { ...have, ...(mapOf(written) as object), key: key.written },
      };
    }
    const what = typeof have === 'string' ? have : have.type;
    return this.#refuse(path, `it is a ${what} in the table and a ${want.kind} here`);
  }

  #primitive(have: IcebergType, want: string, path: string): Matched<IcebergType> {
    const what = typeof have === 'string' ? have : have.type;
    if (promotes(want, have)) return { all: have, written: have };
    const why = `it is ${what} in the table and ${want} here`;
    if (!promotes(have, want)) return this.#refuse(path, why);
    this.#change(path, why);
    return { all: want, written: want };
  }

  #fresh(name: string, column: Column, path: string): StructField {
    this.#change(path, 'the table does not have it');
    if (!column.isOptional) this.#refuse(path, 'a column that is added must be optional');
    const id = ++this.ids.last;
    return { id, name, required: false, type: typeWithIds(column.type, this.ids) };
  }

  #change(path: string, why: string): void {
    if (!this.#evolve) this.#refuse(path, why);
    this.isChanged = true;
  }

  #refuse(path: string, why: string): never {
    throw schemaMisfit(this.#table, path, why);
  }
}
