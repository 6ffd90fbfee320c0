/** How the rows of a new table are parted into files. */
import { badIcebergOption } from './errors.ts';
import type { JsonObject } from './lossless-json.ts';

/** One field of a partition spec as a sink asks for it: made by `day`, `bucket` and the like. */
export interface PartitionBy {
  /** A column; `a.b` for a field of a struct. */
  readonly column: string;
  /** As the specification writes it: `day`, `bucket[16]`. */
  readonly transform: string;
  readonly name: string;
}

/** A field of a table's spec. */
export interface PartitionField extends JsonObject {
  readonly name: string;
  readonly transform: string;
  readonly 'source-id': number;
  readonly 'field-id': number;
}

export interface PartitionSpec extends JsonObject {
  readonly 'spec-id': number;
  readonly fields: readonly PartitionField[];
}

const by = (column: string, transform: string, suffix: string): PartitionBy => ({
  column,
  transform,
  name: column + suffix,
});

/** A partition for each value. */
export const identity = (column: string): PartitionBy => by(column, 'identity', '');
export const year = (column: string): PartitionBy => by(column, 'year', '_year');
export const month = (column: string): PartitionBy => by(column, 'month', '_month');
export const day = (column: string): PartitionBy => by(column, 'day', '_day');
export const hour = (column: string): PartitionBy => by(column, 'hour', '_hour');

/** So many partitions, by a hash of the column. */
export function bucket(column: string, count: number): PartitionBy {
  return by(column, `bucket[${whole('bucket', count, '16')}]`, '_bucket');
}

/** A partition for each beginning of a text, or for each range of numbers that is so wide. */
export function truncate(column: string, width: number): PartitionBy {
  return by(column, `truncate[${whole('truncate', width, '4')}]`, '_trunc');
}

function whole(option: string, value: number, good: string): number {
  if (!Number.isInteger(value) || value < 1 || value >= 2 ** 31) {
    throw badIcebergOption(`partitionBy.${option}`, value, good);
  }
  return value;
}
