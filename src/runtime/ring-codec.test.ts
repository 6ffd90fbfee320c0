/*
 * Goal: what comes out of a ring is what went in, whatever the records and their order.
 * Method: random records of several shapes, written in runs and alternating, through a ring with
 * small slots; the reader takes its turns at random.
 * Replay: fast-check prints the seed and the path of a failure.
 */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import type { EngineError } from '../common/errors.ts';
import { isBatch } from './channel.ts';
import {
  createRing,
  RingConsumer,
  RingProducer,
  RING_SLOT_BYTES,
  type RingOptions,
} from './ring.ts';
import { RingSlots } from './ring-slots.ts';
import { columnsOf, widened } from './ring-schema.ts';
import { FrameEncoder } from './ring-codec.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { MISFIT } from './codegen-ring-codec.ts';

interface Pair {
  readonly writer: FrameWriter;
  readonly reader: FrameReader;
}

function ringPair(options: RingOptions = {}): Pair {
  const memory = createRing(options);
  const pair: Pair = {
    writer: new FrameWriter(
      new RingProducer(new RingSlots(memory), () => pair.reader.rung()),
      (barrier) => pair.reader.announced(barrier),
    ),
    reader: new FrameReader(new RingConsumer(new RingSlots(memory), () => pair.writer.rung())),
  };
  return pair;
}

function readAll(reader: FrameReader, into: unknown[]): void {
  for (let element = reader.peek(); element !== undefined; element = reader.peek()) {
    if (isBatch(element)) into.push(...element.values.slice(0, element.size));
    reader.release();
  }
}

function through(records: readonly unknown[], options?: RingOptions): unknown[] {
  const { writer, reader } = ringPair(options);
  const read: unknown[] = [];
  for (const record of records) if (!writer.append(record, 0, 0)) readAll(reader, read);
  writer.flush();
  readAll(reader, read);
  return read;
}

const scalar = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ maxLength: 30 }),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, 0, Number.NaN, Infinity, '', '\ud800', 2 ** 31, -(2 ** 31)),
  fc.bigInt(),
  fc.date(),
  fc.array(fc.integer(), { maxLength: 3 }),
  fc.dictionary(fc.string(), fc.integer(), { maxKeys: 2, noNullPrototype: true }),
  fc.constant(new Map([['a', [1]]])),
);

/** Names that are awkward in the text of a program, and some that meet often. */
const fieldName = fc.oneof(
  fc.constantFrom('a', 'b', 'c', '1', '0', '__proto__', 'constructor', 'toString', "'", '`', '\n'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);

/** With many equal shapes, so that columns widen and shapes alternate. */
const record = fc.oneof(
  fc.record({ key: scalar, value: fc.integer(), ts: fc.double() }, { noNullPrototype: true }),
  fc.record({ key: fc.string(), value: scalar }, { requiredKeys: ['key'], noNullPrototype: true }),
  fc.array(fc.tuple(fieldName, scalar), { maxLength: 4 }).map(fromEntries),
  fc.record({ key: fc.integer(), at: nested(2) }, { noNullPrototype: true }),
  fc.record(
    { at: fc.oneof({ weight: 9, arbitrary: nested(1) }, scalar) },
    { noNullPrototype: true },
  ),
  scalar,
);

/** Objects within objects, mostly of one form. */
function nested(depth: number): fc.Arbitrary<unknown> {
  const inner = depth === 0 ? scalar : nested(depth - 1);
  const usual = fc.record({ x: fc.integer(), in: inner }, { noNullPrototype: true });
  const other = fc.array(fc.tuple(fieldName, scalar), { maxLength: 3 }).map(fromEntries);
  return fc.oneof({ weight: 9, arbitrary: usual }, other);
}

function fromEntries(entries: readonly (readonly [string, unknown])[]): unknown {
  const made = {};
  for (const [name, value] of entries) {
    const [enumerable, configurable, writable] = [true, true, true];
    Object.defineProperty(made, name, { value, enumerable, configurable, writable });
  }
  return made;
}

function namesOf(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}

describe('records', () => {
  it('come out equal to what went in', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), fc.boolean(), (records, small) => {
        const read = through(records, small ? { slots: 4, slotBytes: 4096 } : {});
        // `toStrictEqual` takes a field named constructor for the object's class.
        expect(isDeepStrictEqual(read, records)).toBe(true);
        expect(read.map(namesOf)).toEqual(records.map(namesOf));
      }),
      { numRuns: 300 },
    );
  });

  it('come out equal with the slots of any size', () => {
    const texts = fc.array(fc.string({ unit: 'binary', maxLength: 3000 }), { maxLength: 20 });
    fc.assert(
      fc.property(texts, fc.constantFrom(4096, 8192), (list, slotBytes) => {
        const records = list.map((text, n) => ({ n, text }));
        expect(through(records, { slots: 4, slotBytes })).toStrictEqual(records);
      }),
    );
  });

  it('keep a field that a later record has in addition', () => {
    const records = [{ a: 1 }, { a: 1, b: 2 }, { b: 2 }, { b: 2, a: 1 }, { a: undefined }];
    expect(through(records)).toStrictEqual(records);
  });

  it.each([
    ['another value', [{ at: { x: 1 } }, { at: { x: 'one' } }, { at: { x: undefined } }]],
    ['another field', [{ at: { x: 1 } }, { at: { x: 1, y: 2 } }, { at: {} }, { at: { y: 2 } }]],
    ['another order', [{ at: { x: 1, y: 2 } }, { at: { y: 2, x: 1 } }]],
    ['nothing', [{ at: { x: 1 } }, { at: null }, { at: undefined }, {}, { at: { x: 1 } }]],
    ['no plain object', [{ at: { x: 1 } }, { at: [1] }, { at: 'x' }, { at: new Map([[1, 2]]) }]],
    ['an object at last', [{ at: 1 }, { at: { x: 1 } }, { at: null }, { at: { x: 2 } }]],
    ['the same object twice', [1, 2].map((x) => ((at) => ({ at, again: at }))({ x }))],
    ['a name of its own', [JSON.parse('{"at":{"__proto__":{"x":1}}}'), { at: { toString: 1 } }]],
    ['far in', [1, 2, 'x'].map((x) => ({ a: { b: { c: { d: { e: { f: x } } } } } }))],
  ])('keep an object within that has %s later', (_, records) => {
    const read = through(records);
    expect(isDeepStrictEqual(read, records)).toBe(true);
    expect(JSON.stringify(read)).toBe(JSON.stringify(records));
  });

  it('are refused when they are no data, and the channel goes on', () => {
    class Money {
      readonly cents = 5;
    }
    const { writer, reader } = ringPair();
    writer.append({ a: 1 }, 0, 0);
    for (const bad of [
      new Money(),
      { a: new Money() },
      () => 1,
      Symbol('x'),
      { [Symbol('x')]: 1 },
    ]) {
      const code = expect.objectContaining<Partial<EngineError>>({ code: 'RUN-004' });
      expect(() => writer.append(bad, 0, 0)).toThrow(code);
    }
    writer.append({ a: 2 }, 0, 0);
    writer.flush();
    const read: unknown[] = [];
    readAll(reader, read);
    expect(read).toEqual([{ a: 1 }, { a: 2 }]);
  });

  it('are refused late when they had to wait, but not by a flush', () => {
    const { writer, reader } = ringPair({ slots: 4 });
    let n = 0;
    while (writer.append({ n }, 0, 0)) n++;
    for (let more = 0; more < 1000; more++) writer.append({ n }, 0, 0);
    writer.append(() => 1, 0, 0);
    const read: unknown[] = [];
    readAll(reader, read);
    writer.flush();
    readAll(reader, read);
    writer.flush();
    expect(read).toHaveLength(n + 1001);
    const code = expect.objectContaining<Partial<EngineError>>({ code: 'RUN-004' });
    expect(() => writer.isWritable()).toThrow(code);
    writer.close();
    expect(reader.isBroken()).toBe(true);
  });

  it('are refused beyond 64 MiB', () => {
    const { writer } = ringPair();
    const code = expect.objectContaining<Partial<EngineError>>({ code: 'RUN-101' });
    expect(() => writer.append('x'.repeat(2 ** 26 + 1), 0, 0)).toThrow(code);
  });
});

describe('schemas', () => {
  function schemasFor(records: readonly unknown[]): number {
    const encoder = new FrameEncoder(new RingSlots(createRing()));
    encoder.begin(0);
    for (const one of records) {
      if (encoder.append(one, 0, 0) === MISFIT) {
        encoder.widen(one);
        encoder.begin(0);
        encoder.append(one, 0, 0);
      } else if (encoder.isFull()) encoder.begin(0);
    }
    return encoder.schemas;
  }

  it('are made once for alternating shapes', () => {
    const records = Array.from({ length: 1000 }, (_, n) =>
      n % 2 === 0 ? { kind: 'click', at: n } : { kind: 'view', page: `p${n}`, ms: 0.5 },
    );
    expect(schemasFor(records)).toBe(2);
  });

  it('have columns for the fields of an object within', () => {
    const records = Array.from({ length: 1000 }, (_, n) => ({ n, at: { x: n, in: { y: 0.5 } } }));
    expect(schemasFor(records)).toBe(1);
    const schema = widened({ shapes: [] }, records[0], RING_SLOT_BYTES);
    const [shape] = schema?.shapes ?? [];
    expect(shape && columnsOf(shape).map(({ kind }) => kind)).toEqual([
      'int32',
      'int32',
      'float64',
    ]);
  });

  it('are two for objects within that all look different', () => {
    const records = Array.from({ length: 1000 }, (_, n) => ({ at: { [`field${n}`]: n } }));
    expect(schemasFor(records)).toBe(2);
  });

  it('are few for records that all look different', () => {
    const records = Array.from({ length: 1000 }, (_, n) => ({ [`field${n}`]: n }));
    expect(schemasFor(records)).toBe(5);
    expect(through(records)).toStrictEqual(records);
  });
});
