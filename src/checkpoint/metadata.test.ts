import { expect, it } from 'vitest';
import { fc } from '../../test/support/property.ts';
import { FULL_METADATA, FULL_SAVEPOINT } from '../../test/support/full-metadata.ts';
import { encodeFramed } from './framed-json.ts';
import { decodeMetadata, encodeMetadata } from './metadata.ts';

const FOLDER = 'job/chk-7';

it('comes back as it was', () => {
  expect(decodeMetadata(encodeMetadata(FULL_METADATA, FOLDER), FOLDER)).toEqual(FULL_METADATA);
});

it('names the files of a savepoint relative to its folder', () => {
  const bytes = encodeMetadata(FULL_SAVEPOINT, FOLDER);
  const paths = (folder: string) =>
    decodeMetadata(bytes, folder).operators.flatMap(({ keyed }) =>
      keyed.map(({ blob }) => (blob.kind === 'blob' ? blob.path : 'inline')),
    );
  expect(paths('elsewhere/sp')).toEqual(['elsewhere/sp/run']);
  expect(paths('')).toEqual(['run']);
  const leaky = { ...FULL_METADATA, kind: 'savepoint' as const };
  expect(() => encodeMetadata(leaky, FOLDER)).toThrow('refers to job/shared');
});

it('finds every flipped bit', () => {
  const bytes = encodeMetadata(FULL_METADATA, FOLDER);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => decodeMetadata(flipped, FOLDER)).toThrow(
      expect.objectContaining({ code: 'CHK-001', kind: 'corrupt' }),
    );
  }
});

it('finds every cut, and anything appended', () => {
  const bytes = encodeMetadata(FULL_METADATA, FOLDER);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.uint8Array({ minLength: 1 }), (length, more) => {
      for (const bad of [bytes.slice(0, length), Uint8Array.from([...bytes, ...more])]) {
        expect(() => decodeMetadata(bad, FOLDER)).toThrow(
          expect.objectContaining({ code: 'CHK-001' }),
        );
      }
    }),
  );
});

it('reads what a later release wrote for old readers, and refuses what it did not', () => {
  const later = (minReader: number) =>
    encodeFramed('metadata', {
      ...FULL_METADATA,
      paths: 'store',
      formatVersion: 9,
      minReader,
    } as never);
  expect(decodeMetadata(later(1), FOLDER).checkpointId).toBe(7);
  expect(() => decodeMetadata(later(2), FOLDER)).toThrowErrorMatchingInlineSnapshot(`
    [EngineError: CHK-002: the file was written by a newer release, path=\`job/chk-7/_metadata\`, needsFormat=\`2\`, knowsFormat=\`1\`
      Run the release that wrote it, or a later one.
      docs/errors/CHK-002.md]
  `);
});
