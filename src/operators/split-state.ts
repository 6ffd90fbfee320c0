import type { ByteReader } from '../serde/bytes.ts';
import type { Resolution, Serializer } from '../serde/serializer.ts';
import type { TypeSchema } from '../serde/type-schema.ts';

/** A source's split as it is stored: its progress and its event time. */
export interface SplitState<Split> {
  readonly split: Split;
  /** `-Infinity`: nothing of it was read. */
  readonly maxTimestampMs: number;
}

/** Stores a split and its event time as a pair. */
export function splitStateSerializer<Split>(
  splits: Serializer<Split>,
): Serializer<SplitState<Split>> {
  const time: TypeSchema = { kind: 'float64' };
  const readWith =
    (readSplit: (from: ByteReader) => Split) =>
    (from: ByteReader): SplitState<Split> => {
      const split = readSplit(from);
      return { split, maxTimestampMs: from.float64() };
    };
  return {
    write({ split, maxTimestampMs }, to) {
      splits.write(split, to);
      to.float64(maxTimestampMs);
    },
    read: readWith((from) => splits.read(from)),
    copy: ({ split, maxTimestampMs }) => ({ split: splits.copy(split), maxTimestampMs }),
    describe: () => ({ kind: 'tuple', of: [splits.describe(), time] }),
    resolve(written): Resolution<SplitState<Split>> {
      const [split] = written.kind === 'tuple' ? written.of : [];
      if (split === undefined) return { kind: 'refuse', why: 'it holds no splits of a source' };
      const resolution = splits.resolve(split);
      if (resolution.kind !== 'migrate') return resolution;
      return { kind: 'migrate', read: readWith(resolution.read) };
    },
  };
}
