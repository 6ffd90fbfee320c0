/**
 * Goal: files of a snapshot share memory, and none of it gets other bytes before the file in it is stored.
 *
 * Method: a store that takes long, and looks at the bytes only at its end. Where a file's memory is given back
 * as the store is called, their checksums no longer fit.
 */
import { expect, test } from 'vitest';
import { nextTurn, systemClock } from '../common/clock.ts';
import { crc32 } from '../common/crc32.ts';
import { keyHash } from '../common/key-hash.ts';
import type { BlobHandle } from '../contracts/snapshots.ts';
import { serializerOf } from '../serde/structural-serializer.ts';
import { FileBuffers } from './file-buffers.ts';
import { HashmapBackend } from './hashmap-backend.ts';
import type { SnapshotTarget } from './keyed-state-backend.ts';

const MAX_PARALLELISM = 8;
const MIB = 1024 * 1024;
const TURNS_OF_A_STORE = 3;

const turn = () => nextTurn(systemClock);

/** Says of a file only at the end what is in it. */
class LateFiles implements SnapshotTarget {
  readonly bytes = new Map<string, Uint8Array>();
  /** All memory that files lay in. */
  readonly memory = new Set<ArrayBufferLike>();
  parts = 0;
  failures = 0;
  /** What is not stored may still be on its way. */
  readonly failed: { readonly parts: readonly Uint8Array[]; readonly crc32: number | undefined }[] =
    [];

  async store(
    _: string,
    name: string,
    parts: readonly Uint8Array[],
    expected?: number,
  ): Promise<BlobHandle> {
    for (const { buffer } of parts) this.memory.add(buffer);
    this.parts += parts.length;
    for (let i = 0; i < TURNS_OF_A_STORE; i++) await turn();
    if (this.failures-- > 0) {
      this.failed.push({ parts, crc32: expected });
      throw new TypeError('the store is full');
    }
    const bytes = new Uint8Array(Buffer.concat(parts));
    expect(crc32(bytes)).toBe(expected);
    this.bytes.set(name, bytes);
    return { kind: 'blob', path: name, sizeBytes: bytes.length, crc32: crc32(bytes) };
  }

  readonly read = async (handle: BlobHandle): Promise<Uint8Array> =>
    this.bytes.get(handle.kind === 'blob' ? handle.path : '') ?? new Uint8Array();
}

function start(fileBytes: number) {
  const backend = new HashmapBackend(
    {
      uid: 'count-words',
      range: { start: 0, end: MAX_PARALLELISM - 1 },
      maxParallelism: MAX_PARALLELISM,
      nowMs: () => 0,
      monotonicMs: () => systemClock.monotonicMs(),
    },
    { fileBytes },
  );
  const text = backend.declare({
    kind: 'value',
    name: 'text',
    ttl: undefined,
    serializer: serializerOf({ kind: 'string' }),
    defaultValue: undefined,
  });
  const at = (key: number) => {
    backend.setCurrentKey(key, keyHash(key));
    return text;
  };
  return { backend, at };
}

async function savepoint(backend: HashmapBackend, files: LateFiles) {
  const barrier = { checkpointId: 1, kind: 'savepoint', timestampMs: 0, full: true } as const;
  const snapshot = backend.snapshot(barrier, files);
  while (!snapshot.drain(50)) await turn();
  return (await snapshot.handles).runs;
}

test('files share memory, each with its own bytes', async () => {
  const keys = 40_000;
  const textOf = (key: number) => String(key).padEnd(1_000, 'v');
  const { backend, at } = start(6 * MIB);
  for (let key = 0; key < keys; key++) at(key).update(textOf(key));
  const files = new LateFiles();
  const runs = await savepoint(backend, files);
  expect(runs.length).toBeGreaterThan(5);
  expect(files.memory.size).toBeLessThan(files.parts);
  const copy = start(6 * MIB);
  const { read } = files;
  await copy.backend.restore({ handles: runs, checkpointId: 1, reusableBase: false, read });
  const wrong = Array.from({ length: keys }, (_, key) => key).filter(
    (key) => copy.at(key).value() !== textOf(key),
  );
  expect(wrong).toEqual([]);
});

test('a value that is larger than any buffer gets one of its own', async () => {
  const { backend, at } = start(32 * MIB);
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(9 * MIB));
  for (const [key, text] of texts.entries()) at(key).update(text);
  const files = new LateFiles();
  const runs = await savepoint(backend, files);
  const copy = start(32 * MIB);
  const { read } = files;
  await copy.backend.restore({ handles: runs, checkpointId: 1, reusableBase: false, read });
  for (const [key, text] of texts.entries()) expect(copy.at(key).value() === text).toBe(true);
});

test('a file that cannot be stored fails the snapshot, and its memory is not used again', async () => {
  const { backend, at } = start(6 * MIB);
  for (let key = 0; key < 40_000; key++) at(key).update(String(key).padEnd(1_000, 'v'));
  const files = new LateFiles();
  files.failures = 1;
  await expect(savepoint(backend, files)).rejects.toThrow('the store is full');
  expect(files.failed).toHaveLength(1);
  for (const one of files.failed) expect(crc32(Buffer.concat(one.parts))).toBe(one.crc32);
});

test('buffers grow to what a store writes at once, and come back', () => {
  const buffers = new FileBuffers();
  const sizes = Array.from({ length: 12 }, () => buffers.take(0).spareBytes);
  expect(sizes[0]).toBe(4 * 1024);
  expect(sizes.slice(-2)).toEqual([4 * MIB, 4 * MIB]);
  const large = buffers.take(0);
  large.uint32(1);
  buffers.give([large]);
  expect(buffers.take(100)).toBe(large);
  expect(large.length).toBe(0);
});

test('what is too small, too large or late does not come back', () => {
  const buffers = new FileBuffers();
  const small = buffers.take(0);
  const huge = buffers.take(20 * MIB);
  const late = buffers.take(4 * MIB);
  buffers.give([small, huge]);
  expect([small, huge]).not.toContain(buffers.take(0));
  buffers.close();
  buffers.give([late]);
  expect(buffers.take(0)).not.toBe(late);
});
