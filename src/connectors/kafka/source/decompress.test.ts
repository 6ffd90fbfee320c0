import zlib from 'node:zlib';
import { compressionsAlgorithms } from '@platformatic/kafka';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadLibrary } from '../client/library.ts';
import { decompress } from './decompress.ts';

beforeAll(loadLibrary);

const XERIAL_HEADER = Buffer.from('82534e41505059000000000100000001', 'hex');
const CODECS = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;
const NAMES = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const MIB = 2 ** 20;

function unpack(name: keyof typeof CODECS, compressed: Buffer, bytesMax: number): Buffer {
  return decompress({ codec: CODECS[name], compressed, splitId: 't-0', offset: 7, bytesMax });
}

/** As Java's library frames it. */
function xerial(bytes: Buffer, blockBytes: number): Buffer {
  const blocks: Buffer[] = [XERIAL_HEADER];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = compressionsAlgorithms.snappy.compressSync(bytes.subarray(at, at + blockBytes));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(block.length);
    blocks.push(length, block);
  }
  return Buffer.concat(blocks);
}

describe.each(NAMES)('%s', (name) => {
  const packed = (bytes: Buffer): Buffer => compressionsAlgorithms[name].compressSync(bytes);

  it('unpacks what is within the limit', () => {
    const bytes = Buffer.from(Array.from({ length: 30_000 }, (_, index) => (index * index) % 251));
    expect(unpack(name, packed(bytes), 5 * MIB).equals(bytes)).toBe(true);
  });

  it('refuses what is beyond it, and takes no memory for it', () => {
    const bomb = packed(Buffer.alloc(64 * MIB));
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    expect(() => unpack(name, bomb, 8 * MIB)).toThrow(
      expect.objectContaining({
        code: 'KAF-020',
        details: { partition: 't-0', offset: 7, packedBytes: bomb.length, bytesMax: 8 * MIB },
      }),
    );
    const after = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    expect(after - before).toBeLessThan(24 * MIB);
  });

  it('says of other bytes that they are damaged', () => {
    const bytes = packed(Buffer.alloc(1_000, 'abc'));
    expect(() => unpack(name, bytes.subarray(0, bytes.length / 2), MIB)).toThrow(/KAF-012/);
    expect(() => unpack(name, Buffer.alloc(0), MIB)).toThrow(/KAF-012/);
  });
});

describe('snappy in frames', () => {
  const bytes = Buffer.alloc(300_000, 'abcdef');

  it('unpacks to the limit, and not beyond it', () => {
    const framed = xerial(bytes, 32_768);
    expect(unpack('snappy', framed, bytes.length).equals(bytes)).toBe(true);
    expect(() => unpack('snappy', framed, bytes.length - 1)).toThrow(/KAF-020/);
  });
});

it('does not know other codecs', () => {
  const compressed = zlib.gzipSync('x');
  const batch = { codec: 5, compressed, splitId: 't-0', offset: 0, bytesMax: 10 };
  expect(() => decompress(batch)).toThrow(/KAF-013/);
});
