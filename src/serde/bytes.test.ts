import { describe, expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ maxLength: 100 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
    .map((units) => String.fromCharCode(...units)),
);

/** A write, and the read that must give the same. */
type Step = readonly [(to: ByteWriter) => void, (from: ByteReader) => unknown, unknown];

const step: fc.Arbitrary<Step> = fc.oneof(
  of(fc.integer({ min: 0, max: 255 }), 'uint8'),
  of(fc.integer({ min: 0, max: 2 ** 32 - 1 }), 'uint32'),
  of(fc.integer(), 'int32'),
  of(fc.double(), 'float64'),
  of(fc.oneof(fc.maxSafeNat(), fc.nat(300)), 'varint'),
  of(fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }), 'zigzag'),
  of(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), 'int64'),
  of(fc.oneof(fc.bigInt(), fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n })), 'bigint'),
  of(fc.uint8Array({ maxLength: 300 }), 'bytes'),
  of(texts, 'text'),
);

function of<T>(
  values: fc.Arbitrary<T>,
  method:
    | 'uint8'
    | 'uint32'
    | 'int32'
    | 'float64'
    | 'varint'
    | 'zigzag'
    | 'int64'
    | 'bigint'
    | 'bytes'
    | 'text',
): fc.Arbitrary<Step> {
  return values.map((value): Step => [
    (to) => to[method](value as never),
    (from) => from[method](),
    value,
  ]);
}

it('reads what was written, in the same order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.nat(40), (steps, initialBytes) => {
      const to = new ByteWriter(initialBytes);
      for (const [write] of steps) write(to);
      const from = new ByteReader(to.finish());

      for (const [, read, value] of steps) expect(read(from)).toStrictEqual(value);
      expect(from.remaining).toBe(0);
    }),
  );
});

it('never reads past the end, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), fc.nat(), (steps, at) => {
      const to = new ByteWriter();
      for (const [write] of steps) write(to);
      const cut = at % to.length;
      // What lies behind the end must not be read either.
      const from = new ByteReader(to.finish(), 0, cut);

      expect(() => steps.map(([, read]) => read(from))).toThrow(
        expect.objectContaining({ code: 'SER-001', kind: 'corrupt' }),
      );
    }),
  );
});

it('survives any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), step, (bytes, [, read]) => {
      try {
        read(new ByteReader(bytes));
      } catch (error) {
        expect(error).toMatchObject({ code: 'SER-001', kind: 'corrupt' });
      }
    }),
  );
});

describe('text', () => {
  it.each([
    ['', 0],
    ['word', 4],
    ['naïve', 6],
    ['日本語', 9],
    ['😀', 4],
    ['\ufeffbyte order mark', 18],
    ['\ud800 alone', 9],
    ['\udc00\ud800', 6],
    ['a'.repeat(5000), 5000],
    ['é'.repeat(70), 140],
  ])('%# comes back and takes no more bytes than it must', (text, length) => {
    const to = new ByteWriter();
    to.text(text);

    expect(to.length).toBe(length + (length < 128 ? 1 : 2));
    expect(new ByteReader(to.finish()).text()).toBe(text);
  });

  it('is what the platform writes, but for lone surrogates', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const to = new ByteWriter();
        to.rawText(text);

        expect(to.finish()).toEqual(new Uint8Array(new TextEncoder().encode(text)));
      }),
    );
  });

  it.each([
    [[0xff]],
    [[0xc0, 0x80]],
    [[0xe0, 0x80, 0x80]],
    [[0xf5, 0x80, 0x80, 0x80]],
    [[0xe2, 0x82]],
    [[0xc3, 0x28]],
  ])('refuses %j', (bytes) => {
    const from = new ByteReader(Uint8Array.of(bytes.length, ...bytes));

    expect(() => from.text()).toThrow(/SER-001/);
  });

  it('as Latin-1 is one byte per character, or nothing', () => {
    const to = new ByteWriter();

    expect(to.tryRawLatin1('ÿ')).toBe(true);
    expect(to.tryRawLatin1('Ā')).toBe(false);
    expect(to.finish()).toEqual(Uint8Array.of(255));
  });

  it.each([47, 48, 49, 500])('is the same whatever its length, %i', (length) => {
    const ascii = 'v'.repeat(length - 1);
    for (const last of ['w', '\u007f', '\u0080', 'ÿ']) {
      // Wherever the wide one stands: two bytes of UTF-8 must not pass for two characters.
      for (const text of [ascii + last, last + ascii, last.repeat(length)]) {
        const to = new ByteWriter();
        to.uint8(7);
        expect(to.tryRawLatin1(text)).toBe(true);
        expect([...to.finish().subarray(1)]).toEqual(
          Array.from({ length: text.length }, (_, at) => text.charCodeAt(at)),
        );
        const whole = new ByteWriter();
        whole.text(text);
        expect(new ByteReader(whole.finish()).text()).toBe(text);
      }
    }
    for (const text of [
      `${ascii}Ā`,
      `Ā${ascii}`,
      `${ascii.slice(1)}\ud83d\ude00`,
      `${ascii}\ud800`,
    ]) {
      const to = new ByteWriter();
      expect(to.tryRawLatin1(text)).toBe(false);
      to.text(text);
      expect(new ByteReader(to.finish()).text()).toBe(text);
    }
  });
});

describe('a writer', () => {
  it('forgets back to a length and goes on', () => {
    const to = new ByteWriter();
    to.uint8(1);
    const { length } = to;
    to.text('gone');
    to.reset(length);
    to.uint8(2);

    expect(to.finish()).toEqual(Uint8Array.of(1, 2));
  });

  it('gives a copy at the end, and a view before', () => {
    const to = new ByteWriter();
    to.uint8(1);
    const copy = to.finish();
    const view = to.view();
    to.reset();
    to.uint8(9);

    expect([copy[0], view[0]]).toEqual([1, 9]);
  });

  it.each([-1, 0.5, 2 ** 53, NaN])('refuses the varint %d', (value) => {
    expect(() => new ByteWriter().varint(value)).toThrow(/bug in the engine/);
  });
});

describe('a reader', () => {
  it('asks for no more than there is when a count is damaged', () => {
    const to = new ByteWriter();
    to.varint(2 ** 40);

    expect(() => new ByteReader(to.finish()).count(1)).toThrow(/SER-001.*a count is too large/);
    expect(() => new ByteReader(to.finish()).raw(2 ** 40)).toThrow(/SER-001/);
  });

  it('gives bytes of their own, also from a Buffer', () => {
    const buffer = Buffer.from([2, 5, 6]);
    const bytes = new ByteReader(buffer).bytes();
    buffer.fill(0);

    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect([...bytes]).toEqual([5, 6]);
  });

  it('moves to another part of its bytes', () => {
    const from = new ByteReader(Uint8Array.of(1, 2, 3));
    from.seek(1, 2);

    expect([from.uint8(), from.remaining]).toEqual([2, 0]);
    expect(() => from.seek(0, 4)).toThrow(/SER-001/);
  });
});
