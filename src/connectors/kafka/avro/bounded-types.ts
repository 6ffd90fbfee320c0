/**
 * Arrays and maps that believe no count. The library reads as many items as a block says that it has, also
 * behind the end of the bytes: a few wrong bytes would keep a subtask busy for ever, or take all its memory.
 */
import type { Schema, Type } from 'avsc';
import type { AvroLibrary } from './avro-library.ts';
import { UnreadableAvro } from './errors.ts';

/** What the library's types use among themselves. */
interface Tap {
  readonly buf: Buffer;
  pos: number;
  readLong(): number;
  skipLong(): void;
  readString(): string | undefined;
  skipString(): void;
}

interface Part {
  _read(tap: Tap): unknown;
  _skip(tap: Tap): void;
}

export type SchemaHook = (schema: Schema, options: unknown) => Type | undefined;

/** Makes the types of arrays and maps; undefined for every other schema. */
export function boundedTypes({ types }: AvroLibrary): SchemaHook {
  class BoundedArray extends types.ArrayType {
    _read(tap: Tap): unknown[] {
      const items = this.itemsType as unknown as Part;
      const values: unknown[] = [];
      for (let left = blockCount(tap); left !== 0; left = blockCount(tap)) {
        for (; left > 0; left -= 1) values.push(items._read(tap));
      }
      return values;
    }

    _skip(tap: Tap): void {
      const items = this.itemsType as unknown as Part;
      for (let left = blockCount(tap); left !== 0; left = blockCount(tap)) {
        for (; left > 0; left -= 1) items._skip(tap);
      }
    }
  }

  class BoundedMap extends types.MapType {
    _read(tap: Tap): Record<string, unknown> {
      const values = this.valuesType as unknown as Part;
      const entries: [string, unknown][] = [];
      for (let left = blockCount(tap); left !== 0; left = blockCount(tap)) {
        for (; left > 0; left -= 1) entries.push([tap.readString() ?? '', values._read(tap)]);
      }
      // Whatever the keys are: assigning to `__proto__` would do something else.
      return Object.fromEntries(entries);
    }

    _skip(tap: Tap): void {
      const values = this.valuesType as unknown as Part;
      for (let left = blockCount(tap); left !== 0; left = blockCount(tap)) {
        for (; left > 0; left -= 1) {
          tap.skipString();
          values._skip(tap);
        }
      }
    }
  }

  return (schema, options) => {
    const { type } = schema as { readonly type?: unknown };
    if (type === 'array') return new BoundedArray(schema, options);
    if (type === 'map') return new BoundedMap(schema, options);
    return undefined;
  };
}

/** How many items follow; 0: none any more. Items without a byte are no reason to believe more. */
function blockCount(tap: Tap): number {
  let count = tap.readLong();
  if (count < 0) {
    count = -count;
    tap.skipLong(); // the block's size
  }
  if (count > tap.buf.length - tap.pos) {
    throw new UnreadableAvro(`a block of ${count} items is cut off`);
  }
  return count;
}
