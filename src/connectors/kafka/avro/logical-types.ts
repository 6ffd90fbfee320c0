/** What Avro's logical types are in JavaScript. Those that are not here stay what they are made of. */
import type { Schema, Type, types as avro } from 'avsc';
import type { AvroLibrary } from './avro-library.ts';
import { decimalBytes, decimalText, unscaledOf } from './decimal.ts';

const DAY_MS = 86_400_000;
/** A Date reaches so far from 1970, on either side. */
const DATE_MS_MAX = 8.64e15;
const UUID_BYTES = 16;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type LogicalTypes = Record<string, new (schema: Schema, options?: unknown) => avro.LogicalType>;

/** `undefined` from `_toValue` says that the value is none of this type. */
export function logicalTypes(library: AvroLibrary): LogicalTypes {
  // The same classes for all schemas: a reader's decimal must know a writer's.
  made ??= { ...timeTypes(library), ...exactTypes(library) };
  return made;
}

let made: LogicalTypes | undefined;

function timeTypes({ types, Type: AvroType }: AvroLibrary) {
  class TimestampMillis extends types.LogicalType {
    protected override _fromValue(ms: number): Date {
      if (Math.abs(ms) > DATE_MS_MAX) throw new RangeError(`${ms} ms are no date`);
      return new Date(ms);
    }

    protected override _toValue(value: unknown): number | undefined {
      const ms = value instanceof Date ? value.getTime() : value;
      return Number.isSafeInteger(ms) ? (ms as number) : undefined;
    }

    protected override _resolve(writer: Type): unknown {
      if (AvroType.isType(writer, 'logical:timestamp-millis')) return same;
      return AvroType.isType(writer, 'long', 'int')
        ? (ms: number) => this._fromValue(ms)
        : undefined;
    }
  }

  /** A Date at midnight in UTC. */
  class DayDate extends types.LogicalType {
    protected override _fromValue(days: number): Date {
      if (Math.abs(days) > DATE_MS_MAX / DAY_MS) throw new RangeError(`day ${days} is no date`);
      return new Date(days * DAY_MS);
    }

    protected override _toValue(value: unknown): number | undefined {
      const days = value instanceof Date ? Math.floor(value.getTime() / DAY_MS) : value;
      return Number.isSafeInteger(days) ? (days as number) : undefined;
    }

    protected override _resolve(writer: Type): unknown {
      if (AvroType.isType(writer, 'logical:date')) return same;
      return AvroType.isType(writer, 'int') ? (days: number) => this._fromValue(days) : undefined;
    }
  }

  return { 'timestamp-millis': TimestampMillis, date: DayDate };
}

function exactTypes({ types, Type: AvroType }: AvroLibrary) {
  class Decimal extends types.LogicalType {
    readonly #scale: number;
    readonly #precision: number;
    readonly #sizeBytes: number | undefined;

    constructor(schema: Schema, options: unknown) {
      super(schema, options);
      const { scale = 0, precision } = schema as { scale?: unknown; precision?: unknown };
      const isFixed = AvroType.isType(this.underlyingType, 'fixed');
      const isValid =
        Number.isSafeInteger(precision) &&
        Number.isSafeInteger(scale) &&
        (scale as number) >= 0 &&
        (scale as number) <= (precision as number) &&
        (isFixed || AvroType.isType(this.underlyingType, 'bytes'));
      // The library takes the bytes as they are then, as the specification asks for.
      if (!isValid) throw new TypeError('invalid decimal');
      this.#scale = scale as number;
      this.#precision = precision as number;
      this.#sizeBytes = isFixed
        ? (this.underlyingType as unknown as { size: number }).size
        : undefined;
    }

    protected override _fromValue(bytes: Uint8Array | undefined): string {
      // The library has no bytes for a value that is cut off, and says so afterwards.
      return bytes === undefined ? '' : decimalText(bytes, this.#scale);
    }

    protected override _toValue(value: unknown): Buffer | undefined {
      const unscaled = unscaledOf(value, this.#scale, this.#precision);
      return unscaled === undefined ? undefined : decimalBytes(unscaled, this.#sizeBytes);
    }

    protected override _resolve(writer: Type): unknown {
      // Another scale would be another number.
      const isSame = writer instanceof Decimal && writer.#scale === this.#scale;
      return isSame && writer.#precision <= this.#precision ? same : undefined;
    }
  }

  class Uuid extends types.LogicalType {
    readonly #isText: boolean;

    constructor(schema: Schema, options: unknown) {
      super(schema, options);
      this.#isText = AvroType.isType(this.underlyingType, 'string');
      const { size } = this.underlyingType as unknown as { readonly size?: number };
      if (!this.#isText && size !== UUID_BYTES) throw new TypeError('invalid uuid');
    }

    protected override _fromValue(value: string | Buffer | undefined): string {
      if (value === undefined || typeof value === 'string') return value ?? '';
      return value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    }

    protected override _toValue(value: unknown): unknown {
      if (typeof value !== 'string' || !UUID.test(value)) return undefined;
      return this.#isText ? value : Buffer.from(value.replaceAll('-', ''), 'hex');
    }

    protected override _resolve(writer: Type): unknown {
      if (AvroType.isType(writer, 'logical:uuid')) return same;
      return AvroType.isType(writer, 'string') ? same : undefined;
    }
  }

  return { decimal: Decimal, uuid: Uuid };
}

function same(value: unknown): unknown {
  return value;
}
