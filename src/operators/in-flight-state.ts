import type { ByteReader } from '../serde/bytes.ts';
import type { Resolution, Serializer } from '../serde/serializer.ts';
import type { TypeSchema } from '../serde/type-schema.ts';

/** An element whose call is under way, as it is stored. */
export interface StoredInFlight {
  readonly value: unknown;
  /** `NaN`: none. */
  readonly timestampMs: number;
  /** The last watermark before it; `-Infinity`: none. */
  readonly watermarkMs: number;
}

/** Stores an element with its times. */
export function inFlightSerializer(element: Serializer<unknown>): Serializer<StoredInFlight> {
  const time: TypeSchema = { kind: 'float64' };
  const readWith =
    (readElement: (from: ByteReader) => unknown) =>
    (from: ByteReader): StoredInFlight => {
      const value = readElement(from);
      return { value, timestampMs: from.float64(), watermarkMs: from.float64() };
    };
  return {
    write({ value, timestampMs, watermarkMs }, to) {
      element.write(value, to);
      to.float64(timestampMs);
      to.float64(watermarkMs);
    },
    read: readWith((from) => element.read(from)),
    copy: ({ value, ...times }) => ({ value: element.copy(value), ...times }),
    describe: () => ({ kind: 'tuple', of: [element.describe(), time, time] }),
    resolve(written): Resolution<StoredInFlight> {
      const [value] = written.kind === 'tuple' ? written.of : [];
      if (value === undefined) return { kind: 'refuse', why: 'it holds no elements in flight' };
      const resolution = element.resolve(value);
      if (resolution.kind !== 'migrate') return resolution;
      return { kind: 'migrate', read: readWith(resolution.read) };
    },
  };
}
