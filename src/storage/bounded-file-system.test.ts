import fs from 'node:fs';
import { expect, it } from 'vitest';
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { systemClock } from '../common/clock.ts';
import type { FileSystem } from '../common/file-system.ts';
import { nodeFileSystem } from '../common/node-file-system.ts';
import { systemRandom } from '../common/random.ts';
import { boundedFileSystem } from './bounded-file-system.ts';
import { FileBlobStore } from './file-blob-store.ts';

const SHORT = { clock: systemClock, timeoutMs: 50 };
const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-bounded-'));
  try {
    await test(folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** @param hanging What has no answer. Time passes only while it is waited for: a busy disk may be slow. */
function storeOn(folder: string, hanging?: keyof FileSystem): FileBlobStore {
  const clock = new ManualClock();
  const hang = (): Promise<never> => {
    void clock.advance(SHORT.timeoutMs);
    return never();
  };
  const fileSystem = { ...nodeFileSystem, ...(hanging && { [hanging]: hang }) };
  const bounded = boundedFileSystem(fileSystem, { ...SHORT, clock });
  return new FileBlobStore(bounded, folder, systemRandom);
}

it('gives up each kind of call, and the store says which and why', async () => {
  await inFolder(async (folder) => {
    await storeOn(folder).create('there', Buffer.from('x'));
    const problem = { kind: 'unavailable', details: { errno: 'ETIMEDOUT' } };
    const hangs: readonly (readonly [
      keyof FileSystem,
      (store: FileBlobStore) => Promise<unknown>,
    ])[] = [
      ['openRead', (store) => store.read('there')],
      ['list', (store) => store.list('')[Symbol.asyncIterator]().next()],
      ['remove', (store) => store.delete(['there'])],
      ['openWrite', (store) => store.create('new', Buffer.from('x'))],
      ['link', (store) => store.create('new', Buffer.from('x'))],
      ['syncFolder', (store) => store.create('newer', Buffer.from('x'))],
      ['rename', (store) => store.replaceIf('head', Buffer.from('x'), undefined)],
    ];
    for (const [call, act] of hangs) {
      await expect(act(storeOn(folder, call)), call).rejects.toMatchObject(problem);
    }
    // What may have been done is not said to be undone.
    const doubtful = storeOn(folder, 'link').create('other', Buffer.from('x'));
    await expect(doubtful).rejects.toMatchObject({ code: 'STO-001' });
    const nothing = storeOn(folder, 'openWrite').create('other', Buffer.from('x'));
    await expect(nothing).rejects.toMatchObject({ code: 'STO-006' });
  });
});

it('asks nothing more of a file that has not answered', async () => {
  let closes = 0;
  const writer = {
    write: never<void>,
    truncate: never<void>,
    sync: never<void>,
    close: () => Promise.resolve(void (closes += 1)),
  };
  const bounded = boundedFileSystem(
    { ...nodeFileSystem, openWrite: () => Promise.resolve(writer) },
    SHORT,
  );
  const file = await bounded.openWrite('x', 'create');
  await expect(file.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  await expect(file.close()).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  expect(closes).toBe(0);
});

it('gives what is large its time', async () => {
  const slow = (_: number, length: number) =>
    new Promise<Uint8Array>((resolve) => {
      systemClock.after(4 * SHORT.timeoutMs, () => resolve(Buffer.alloc(length)));
    });
  const sizeBytes = 1024 * 1024;
  const reader = { sizeBytes, fileId: 'x', read: slow, close: () => Promise.resolve() };
  const bounded = boundedFileSystem(
    { ...nodeFileSystem, openRead: () => Promise.resolve(reader) },
    SHORT,
  );
  const file = await bounded.openRead('x');
  expect((await file.read(0, sizeBytes)).length).toBe(sizeBytes);
  await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
});

it('gives up a real file that the operating system does not open', async () => {
  await inFolder(async (folder) => {
    const pipe = path.join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    const reading = boundedFileSystem(nodeFileSystem, SHORT).openRead(pipe);
    await expect(reading).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    // Its thread goes on.
    fs.closeSync(fs.openSync(pipe, 'r+'));
  });
});
