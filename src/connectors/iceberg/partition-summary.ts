import type { Datum } from './iceberg-type.ts';
import type { FieldSummary } from './manifest-list.ts';
import type { PartitionColumn, PartitionTuple } from './partitioner.ts';
import { compareDatum, isFloating, singleValueBytes } from './single-value.ts';

/** What a manifest list says of the partitions in a manifest, field by field. */
export function summarize(
  columns: readonly PartitionColumn[],
  tuples: readonly PartitionTuple[],
): FieldSummary[] {
  return columns.map(({ type }, index) => {
    let least: Datum | undefined;
    let greatest: Datum | undefined;
    let containsNull = false;
    let containsNan = false;
    for (const tuple of tuples) {
      const value = tuple[index];
      if (value === undefined) containsNull = true;
      else if (Number.isNaN(value)) containsNan = true;
      else {
        if (least === undefined || compareDatum(value, least) < 0) least = value;
        if (greatest === undefined || compareDatum(value, greatest) > 0) greatest = value;
      }
    }
    // Whole values: a partition's bounds are not cut.
    const bytesOf = (value: Datum | undefined) =>
      value === undefined ? undefined : singleValueBytes(type, value);
    return {
      containsNull,
      containsNan: isFloating(type) ? containsNan : false,
      lower: bytesOf(least),
      upper: bytesOf(greatest),
    };
  });
}
