// Goal: undamaged gzip comes out whole, and every cut or changed bit is found.
// Method: files of one and more members, by Node's zlib; each prefix and each bit flip.
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { Gunzip, gunzip, Gzip } from './gzip.ts';

const TEXT = Array.from({ length: 2_000 }, (_, row) => `${row},${(row * 7919) % 1009}\n`).join('');

function inChunks(bytes: Uint8Array, sizes: () => number): string {
  const stream = new Gunzip();
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;)
    out.push(...stream.push(bytes.subarray(at, (at += sizes()))));
  out.push(...stream.end());
  return Buffer.concat(out).toString();
}

test.each([1, 3, 7, 8, 9, 100, 1_000_000])('in chunks of %d bytes', (size) => {
  const one = gzipSync(TEXT);
  const many = Buffer.concat([gzipSync('a\n'), gzipSync(''), one, gzipSync(TEXT, { level: 0 })]);
  expect(inChunks(one, () => size)).toBe(TEXT);
  expect(inChunks(many, () => size)).toBe(`a\n${TEXT}${TEXT}`);
});

test('any bytes, levels, members and chunks', () => {
  const member = fc.tuple(fc.uint8Array({ maxLength: 3_000 }), fc.constantFrom(0, 1, 9));
  fc.assert(
    fc.property(fc.array(member, { minLength: 1, maxLength: 4 }), fc.nat(400), (members, size) => {
      const bytes = Buffer.concat(members.map(([data, level]) => gzipSync(data, { level })));
      const stream = new Gunzip();
      const out: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size + 1) {
        out.push(...stream.push(bytes.subarray(at, at + size + 1)));
      }
      out.push(...stream.end());
      expect(Buffer.concat(out)).toEqual(Buffer.concat(members.map(([data]) => data)));
    }),
  );
});

test('every cut is found', () => {
  const bytes = Buffer.concat([gzipSync('first\n'), gzipSync(TEXT.slice(0, 500))]);
  const firstLength = gzipSync('first\n').length;
  for (let length = 0; length < bytes.length; length++) {
    if (length === firstLength) continue;
    expect(() => gunzip(bytes.subarray(0, length)), `cut to ${length}`).toThrow(
      expect.objectContaining({ kind: 'corrupt' }),
    );
  }
});

test('every changed bit is found, unless it changes nothing', () => {
  const text = TEXT.slice(0, 500);
  const bytes = gzipSync(text);
  let found = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    try {
      expect(Buffer.from(gunzip(damaged)).toString()).toBe(text);
    } catch (error) {
      expect(error).toMatchObject({ kind: 'corrupt' });
      found++;
    }
  }
  // Time, flags without meaning, system, and the padding behind the last block.
  expect(found).toBeGreaterThan(bytes.length * 8 - 80);
});

test('what is compressed here, others can read', () => {
  const stream = new Gzip();
  const parts = [
    ...stream.push(Buffer.from(TEXT)),
    ...stream.push(Buffer.from(TEXT)),
    ...stream.end(),
  ];
  expect(gunzipSync(Buffer.concat(parts)).toString()).toBe(TEXT + TEXT);
});
