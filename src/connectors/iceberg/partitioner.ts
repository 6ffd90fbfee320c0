/** The partition that a row belongs to. */
import { createHash } from 'node:crypto';
import { unsupportedTable } from './errors.ts';
import {
  type Datum,
  isStruct,
  type Primitive,
  type StructField,
  type TableSchema,
} from './iceberg-type.ts';
import type { PartitionSpec } from './partition-fields.ts';
import { valueAt } from './row-columns.ts';
import { singleValueBytes } from './single-value.ts';
import { datumText, type Transform, transformOf } from './transforms.ts';

/** The values of a partition's fields, in the order of the spec; `undefined` is null. */
export type PartitionTuple = readonly (Datum | undefined)[];

export interface PartitionColumn {
  readonly name: string;
  readonly fieldId: number;
  readonly transform: string;
  /** Of the partition's values. */
  readonly type: Primitive;
}

interface Source {
  /** Undefined if the sink does not write that column: it is null. */
  readonly column: number | undefined;
  readonly names: readonly string[];
  readonly apply: Transform['apply'];
}

/** A longer value is told by its hash in paths: file systems take no more than 255 bytes of a name. */
const SEGMENT_LENGTH_MAX = 120;

export class Partitioner {
  readonly columns: readonly PartitionColumn[];
  readonly #sources: readonly Source[];

  /** @param names The columns that the sink writes, in their order. */
  constructor(spec: PartitionSpec, schema: TableSchema, names: readonly string[], table: string) {
    const resolved = spec.fields.map((field) => {
      const path = pathTo(schema.fields, field['source-id']);
      const source = path?.at(-1);
      const transform = source && transformOf(field.transform, source.type);
      if (path === undefined || transform === undefined) {
        throw unsupportedTable(table, `it is partitioned by ${field.transform} of ${field.name}`);
      }
      const column = names.indexOf(path[0]?.name ?? '');
      return {
        column: {
          name: field.name,
          fieldId: field['field-id'],
          transform: field.transform,
          type: transform.result,
        },
        source: {
          column: column < 0 ? undefined : column,
          names: path.slice(1).map(({ name }) => name),
          apply: transform.apply,
        },
      };
    });
    this.columns = resolved.map(({ column }) => column);
    this.#sources = resolved.map(({ source }) => source);
  }

  /** Whether a table of this schema can be partitioned so. */
  static knows({ fields }: PartitionSpec, schema: TableSchema): boolean {
    return fields.every((field) => {
      const source = pathTo(schema.fields, field['source-id'])?.at(-1);
      return source !== undefined && transformOf(field.transform, source.type) !== undefined;
    });
  }

  /** @param taken A row's values, as the columns have taken them. */
  of(taken: readonly unknown[]): PartitionTuple {
    return this.#sources.map(({ column, names, apply }) => {
      const value = column === undefined ? null : valueAt(taken[column], names);
      return value === null ? undefined : apply(value);
    });
  }

  /** Different for different partitions. */
  key(tuple: PartitionTuple): string {
    if (tuple.length === 0) return '';
    const parts = tuple.map((value, index) => {
      const type = this.columns[index]?.type;
      if (value === undefined || type === undefined) return null;
      if (typeof value === 'number' || typeof value === 'string') return value;
      return Buffer.from(singleValueBytes(type, value)).toString('base64');
    });
    return JSON.stringify(parts);
  }

  /** A folder, for people: readers take a partition's values from the manifest. */
  path(tuple: PartitionTuple): string {
    return this.columns
      .map(({ name, type, transform }, index) => {
        const text = encodeURIComponent(datumText(type, transform, tuple[index]));
        return `${shortened(encodeURIComponent(name))}=${shortened(text)}`;
      })
      .join('/');
  }
}

/** Fields from a column down to the one with this id. */
function pathTo(fields: readonly StructField[], id: number): readonly StructField[] | undefined {
  for (const field of fields) {
    if (field.id === id) return [field];
    const below = isStruct(field.type) ? pathTo(field.type.fields, id) : undefined;
    if (below !== undefined) return [field, ...below];
  }
  return undefined;
}

function shortened(text: string): string {
  if (text.length <= SEGMENT_LENGTH_MAX) return text;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `${text.slice(0, SEGMENT_LENGTH_MAX).replace(/%.?$/, '')}~${hash}`;
}
