/*
 * Goal: what is written is read again as it was, from any row on; a file that is not right is refused
 * and never half read.
 * Method: drawn row types with drawn rows, cut into row groups; damage at each byte.
 * Replay: fast-check prints seed and path.
 */
import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { fc } from '../../../test/support/property.ts';
import { bufferOf, decode, drawnRows, encode } from '../../../test/support/parquet-rows.ts';
import type { TypeSchema } from '../../serde/type-schema.ts';
import { objectOf } from '../../serde/type-schema.ts';
import { decompressors } from './codecs.ts';
import { readFooter } from './parquet-file.ts';

const code = (expected: string) => expect.objectContaining({ code: expected }) as Error;
const compressions = fc.constantFrom('zstd', 'snappy', 'gzip', 'none');

const NUMBERED = objectOf({ n: { kind: 'int32' }, text: { kind: 'string' } });
const numbered = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ n, text: `value ${n % 100}` }));

describe('rows', () => {
  test('come back as they were, from any of them on', () =>
    fc.assert(
      fc.asyncProperty(
        drawnRows,
        compressions,
        fc.integer({ min: 1, max: 25 }),
        fc.nat(25),
        async ({ type, rows }, compression, groupRows, from) => {
          const bytes = encode(type, rows, { compression, groupRows });
          const read = await decode(bytes, { wanted: type }, Math.min(from, rows.length));
          expect(read).toEqual(rows.slice(from));
        },
      ),
      { numRuns: 150 },
    ));

  test('of a long row group come in slices', async () => {
    const rows = numbered(70_000);
    const bytes = encode(NUMBERED, rows);
    for (const from of [0, 65_535, 65_536, 69_999]) {
      const read = await decode(bytes, {}, from);
      expect(read.length).toBe(rows.length - from);
      expect(read[0]).toEqual(rows[from]);
      expect(read.at(-1)).toEqual(rows.at(-1));
    }
  });

  test('of many pages are found by their index', async () => {
    const text = 'x'.repeat(1000);
    const rows = Array.from({ length: 5_000 }, (_, n) => ({ n, text: `${n}${text}` }));
    const bytes = encode(NUMBERED, rows, { compression: 'snappy' });
    for (const from of [0, 1, 2_500, 4_998]) {
      const read = await decode(bytes, {}, from);
      expect(read.length).toBe(rows.length - from);
      expect(read[0]).toEqual(rows[from]);
    }
  });

  test('can be read by some of their columns', async () => {
    expect(await decode(encode(NUMBERED, numbered(2)), { columns: ['text'] })).toEqual([
      { text: 'value 0' },
      { text: 'value 1' },
    ]);
    const missing = decode(encode(NUMBERED, numbered(2)), { columns: ['nothing'] });
    await expect(missing).rejects.toThrow(code('FMT-007'));
  });
});

describe('what the schema wants decides', () => {
  const AT = Date.UTC(2026, 0, 2, 3, 4, 5);
  const at = (kind: 'date' | 'bigint' | 'float64'): TypeSchema => objectOf({ at: { kind } });
  const micros = encode(at('bigint'), [{ at: BigInt(AT) * 1000n + 7n }, { at: -1n }], {
    types: { at: 'timestamp-micros' },
  });

  test.each([
    ['date', [new Date(AT), new Date(-1)]],
    ['bigint', [BigInt(AT) * 1000n + 7n, -1n]],
    ['float64', [AT + 0.007, -0.001]],
  ] as const)('about a timestamp: %s', async (kind, expected) => {
    const rows = await decode(micros, { wanted: at(kind) });
    expect(rows).toEqual(expected.map((value) => ({ at: value })));
  });

  test('without a schema it is a Date', async () => {
    expect(await decode(micros)).toEqual([{ at: new Date(AT) }, { at: new Date(-1) }]);
  });

  test('about an integer of 64 bits: a number that it is, or none', async () => {
    const bytes = encode(at('bigint'), [{ at: 2n ** 53n - 1n }, { at: 2n ** 53n + 1n }]);
    expect(await decode(bytes.slice())).toEqual([{ at: 2n ** 53n - 1n }, { at: 2n ** 53n + 1n }]);
    const asNumbers = decode(bytes, { wanted: at('float64') });
    await expect(asNumbers).rejects.toThrow('at: 9007199254740993 is too large for a number');
  });

  test('about an integer of 32 bits', async () => {
    const bytes = encode(objectOf({ at: { kind: 'int32' } }), [{ at: -5 }]);
    expect(await decode(bytes, { wanted: at('bigint') })).toEqual([{ at: -5n }]);
  });
});

describe('a file that is not right', () => {
  const rows = numbered(60);
  const intact = encode(NUMBERED, rows, { groupRows: 30 });

  test.each([0, 4, 11])('has no footer in %i bytes', async (length) => {
    expect(await readFooter(bufferOf(intact.subarray(0, length)), 'a')).toBeUndefined();
  });

  test('has no footer when it is cut', async () => {
    for (let cut = 1; cut < 60; cut++) {
      expect(await readFooter(bufferOf(intact.subarray(0, -cut)), 'a')).toBeUndefined();
    }
  });

  test('is refused or read right, whichever byte was changed', async () => {
    const wrong: number[] = [];
    let refused = 0;
    for (let at = 0; at < intact.length; at++) {
      const damaged = Uint8Array.from(intact);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      try {
        const read = await decode(damaged, { wanted: NUMBERED });
        // The footer may give columns other names and types; then the rows' schema refuses them.
        const isOther = read.some((row) => !isNumbered(row));
        if (!isOther && read.length === rows.length) {
          if (JSON.stringify(read) !== JSON.stringify(rows)) wrong.push(at);
        }
      } catch (error) {
        refused++;
        expect(error, `byte ${at}`).toMatchObject({ name: 'EngineError' });
      }
    }
    expect(wrong).toEqual([]);
    expect(refused).toBeGreaterThan(intact.length / 4);
  });

  test.each(Object.entries(decompressors))('has a page that is too long: %s', (_, decompress) => {
    const bomb = zlib.zstdCompressSync(new Uint8Array(2_000_000));
    expect(() => decompress(bomb, 2 ** 30)).toThrow('a page of 1073741824 bytes');
    // Or longer than its header says.
    expect(() => decompress(bomb, 1_000)).toThrow();
    expect(decompress(bomb, 0)).toEqual(new Uint8Array(0));
  });

  test('is encrypted', async () => {
    const encrypted = Uint8Array.from(intact);
    encrypted.set(Buffer.from('PARE'), intact.length - 4);
    await expect(decode(encrypted)).rejects.toThrow(code('FMT-007'));
  });

  test('has a footer that is longer than the file', async () => {
    const damaged = Buffer.from(intact);
    damaged.writeUInt32LE(intact.length, intact.length - 8);
    await expect(decode(damaged)).rejects.toThrow(code('FMT-006'));
  });
});

function isNumbered(row: unknown): boolean {
  const { n, text } = row as Record<string, unknown>;
  return typeof n === 'number' && typeof text === 'string';
}
