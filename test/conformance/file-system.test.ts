/*
 * Goal: the simulated disk behaves as the real one does, as long as nothing goes wrong.
 * Method: one suite on both.
 */
import * as nodeFs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FileSystem } from '../../src/common/file-system.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { Simulation } from '../../src/testing/index.ts';

type Run = (test: (fs: FileSystem, root: string) => Promise<void>) => Promise<void>;

fileSystemConformance('the real disk', async (test) => {
  const root = await nodeFs.mkdtemp(path.join(os.tmpdir(), 'tidemark-files-'));
  try {
    await test(nodeFileSystem, root);
  } finally {
    await nodeFs.rm(root, { recursive: true });
  }
});

fileSystemConformance('the simulated disk', async (test) => {
  const simulation = new Simulation({ seed: 1 });
  const { fs } = simulation.process('client');
  await simulation.run(async () => {
    await fs.makeFolder('/tmp/root');
    await test(fs, '/tmp/root');
  });
});

function fileSystemConformance(name: string, run: Run): void {
  const test = (title: string, body: Parameters<Run>[0]): void => {
    it(title, () => run(body));
  };
  describe(`${name}: files`, () => declareFiles(test));
  describe(`${name}: names`, () => declareNames(test));
  describe(`${name}: folders`, () => declareFolders(test));
}

type Test = (title: string, body: Parameters<Run>[0]) => void;

function declareFiles(test: Test): void {
  test('writes, appends and reads', async (fs, root) => {
    await write(fs, `${root}/a`, 'one', ' two');
    const writer = await fs.openWrite(`${root}/a`, 'append');
    await writer.write(Buffer.from(' three'));
    await writer.sync();
    await writer.close();
    expect(await read(fs, `${root}/a`)).toBe('one two three');
  });

  test('goes on at the cut after a truncate', async (fs, root) => {
    const writer = await fs.openWrite(`${root}/a`, 'create');
    await writer.write(Buffer.from('0123456789'));
    await writer.truncate(4);
    await writer.write(Buffer.from('AB'));
    await writer.close();
    expect(await read(fs, `${root}/a`)).toBe('0123AB');
    const appended = await fs.openWrite(`${root}/a`, 'append');
    await appended.truncate(1);
    await appended.write(Buffer.from('Z'));
    await appended.close();
    expect(await read(fs, `${root}/a`)).toBe('0Z');
  });

  test('fills with zeros when a truncate makes it longer', async (fs, root) => {
    const writer = await fs.openWrite(`${root}/a`, 'create');
    await writer.write(Buffer.from('ab'));
    await writer.truncate(4);
    await writer.write(Buffer.from('c'));
    await writer.close();
    expect(await read(fs, `${root}/a`)).toBe('ab\0\0c');
  });

  test('creates only what is new and appends only to what is there', async (fs, root) => {
    await write(fs, `${root}/a`, 'x');
    await expect(fs.openWrite(`${root}/a`, 'create')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(fs.openWrite(`${root}/b`, 'append')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fs.openWrite(`${root}/no/b`, 'create')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fs.openWrite(`${root}/a/b`, 'create')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('reads parts, cut at the end', async (fs, root) => {
    await write(fs, `${root}/a`, '0123456789');
    const reader = await fs.openRead(`${root}/a`);
    const part = async (offset: number, length: number): Promise<string> =>
      Buffer.from(await reader.read(offset, length)).toString();
    expect(reader.sizeBytes).toBe(10);
    expect(await part(2, 3)).toBe('234');
    expect(await part(8, 10)).toBe('89');
    expect(await part(10, 1)).toBe('');
    expect(await part(20, 1)).toBe('');
    await reader.close();
    await expect(reader.read(0, 1)).rejects.toMatchObject({ code: 'EBADF' });
  });

  test('does not read what is not a file', async (fs, root) => {
    await expect(fs.openRead(`${root}/none`)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fs.readFile(`${root}/none`)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fs.openRead(root)).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(fs.readFile(root)).rejects.toMatchObject({ code: 'EISDIR' });
    await write(fs, `${root}/a`, 'x');
    await expect(fs.openRead(`${root}/a/b`)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('refuses a closed writer', async (fs, root) => {
    const writer = await fs.openWrite(`${root}/a`, 'create');
    await writer.close();
    await expect(writer.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'EBADF' });
    await expect(writer.sync()).rejects.toMatchObject({ code: 'EBADF' });
  });

  test('reads a file to its end after its name is gone', async (fs, root) => {
    await write(fs, `${root}/a`, 'still here');
    const reader = await fs.openRead(`${root}/a`);
    await fs.remove(`${root}/a`);
    expect(Buffer.from(await reader.read(0, 100)).toString()).toBe('still here');
    await reader.close();
  });

  test('tells size, kind, time and identity', async (fs, root) => {
    await write(fs, `${root}/a`, '12345');
    await fs.link(`${root}/a`, `${root}/b`);
    await write(fs, `${root}/c`, '12345');
    const [a, b, c] = [
      await fs.stat(`${root}/a`),
      await fs.stat(`${root}/b`),
      await fs.stat(`${root}/c`),
    ];
    expect(a).toMatchObject({ kind: 'file', sizeBytes: 5 });
    expect(a?.modifiedMs).toBeGreaterThan(Date.UTC(2025, 0));
    expect(b?.fileId).toBe(a?.fileId);
    expect(c?.fileId).not.toBe(a?.fileId);
    expect((await fs.stat(root))?.kind).toBe('folder');
    expect(await fs.stat(`${root}/none`)).toBeUndefined();
    expect(await fs.stat(`${root}/a/none`)).toBeUndefined();
    const reader = await fs.openRead(`${root}/b`);
    expect(reader.fileId).toBe(a?.fileId);
    await reader.close();
  });
}

function declareNames(test: Test): void {
  test('links without replacing', async (fs, root) => {
    await write(fs, `${root}/a`, 'x');
    await fs.link(`${root}/a`, `${root}/b`);
    await fs.remove(`${root}/a`);
    expect(await read(fs, `${root}/b`)).toBe('x');
    await write(fs, `${root}/c`, 'y');
    await expect(fs.link(`${root}/b`, `${root}/c`)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(fs.link(`${root}/b`, root)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(fs.link(`${root}/no`, `${root}/d`)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fs.link(`${root}/b`, `${root}/no/d`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('renames over a file, once', async (fs, root) => {
    await write(fs, `${root}/a`, 'new');
    await write(fs, `${root}/b`, 'old');
    await fs.rename(`${root}/a`, `${root}/b`);
    expect(await read(fs, `${root}/b`)).toBe('new');
    await expect(fs.rename(`${root}/a`, `${root}/c`)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(fs.rename(`${root}/b`, `${root}/no/c`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('gives one of many renames the file', async (fs, root) => {
    await write(fs, `${root}/a`, 'x');
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4].map((i) => fs.rename(`${root}/a`, `${root}/to-${i}`)),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    expect(await fs.list(root)).toHaveLength(1);
  });

  test('renames a folder only over an empty one', async (fs, root) => {
    await fs.makeFolder(`${root}/from`);
    await fs.makeFolder(`${root}/empty`);
    await fs.makeFolder(`${root}/full/child`);
    await write(fs, `${root}/from/x`, 'x');
    await write(fs, `${root}/file`, 'f');
    const rename = (to: string): Promise<void> => fs.rename(`${root}/from`, `${root}/${to}`);
    await expect(rename('file')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(rename('full')).rejects.toMatchObject({
      code: expect.stringMatching(/ENOTEMPTY|EEXIST/),
    });
    await rename('empty');
    expect(await read(fs, `${root}/empty/x`)).toBe('x');
    expect(await fs.stat(`${root}/from`)).toBeUndefined();
  });

  test('removes files, whether there or not', async (fs, root) => {
    await write(fs, `${root}/a`, 'x');
    await fs.remove(`${root}/a`);
    await fs.remove(`${root}/a`);
    await fs.remove(`${root}/no/a`);
    expect(await fs.list(root)).toEqual([]);
    await fs.makeFolder(`${root}/f`);
    await expect(fs.remove(`${root}/f`)).rejects.toMatchObject({
      code: expect.stringMatching(/EISDIR|EPERM/),
    });
  });
}

function declareFolders(test: Test): void {
  test('lists names in byte order', async (fs, root) => {
    const names = ['b', 'a', 'a-b', 'é', 'Z', '\u{10000}', '\uffee'];
    for (const name of names) await write(fs, `${root}/${name}`, '');
    await fs.makeFolder(`${root}/folder`);
    const found = await fs.list(root);
    const sorted = [...names, 'folder'].sort((x, y) =>
      Buffer.compare(Buffer.from(x), Buffer.from(y)),
    );
    expect(found.map((entry) => entry.name)).toEqual(sorted);
    expect(found.filter((entry) => entry.kind === 'folder')).toEqual([
      { name: 'folder', kind: 'folder' },
    ]);
    expect(await fs.list(`${root}/none`)).toEqual([]);
    await expect(fs.list(`${root}/a`)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('makes folders with their parents', async (fs, root) => {
    await fs.makeFolder(`${root}/a/b/c`);
    await fs.makeFolder(`${root}/a/b/c`);
    expect((await fs.stat(`${root}/a/b/c`))?.kind).toBe('folder');
    await write(fs, `${root}/file`, '');
    await expect(fs.makeFolder(`${root}/file`)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(fs.makeFolder(`${root}/file/x`)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('removes only empty folders', async (fs, root) => {
    await fs.makeFolder(`${root}/a/b`);
    await fs.removeFolder(`${root}/a`);
    expect(await fs.list(root)).toHaveLength(1);
    await fs.removeFolder(`${root}/a/b`);
    await fs.removeFolder(`${root}/a`);
    await fs.removeFolder(`${root}/a`);
    expect(await fs.list(root)).toEqual([]);
    await write(fs, `${root}/file`, 'x');
    await fs.removeFolder(`${root}/file`);
    await fs.removeFolder(`${root}/file/none`);
    expect(await read(fs, `${root}/file`)).toBe('x');
  });

  test('syncs folders that are there', async (fs, root) => {
    await write(fs, `${root}/a`, 'x');
    await fs.syncFolder(root);
    await expect(fs.syncFolder(`${root}/none`)).rejects.toMatchObject({ code: 'ENOENT' });
  });
}

async function write(fs: FileSystem, file: string, ...parts: string[]): Promise<void> {
  const writer = await fs.openWrite(file, 'create');
  for (const part of parts) await writer.write(Buffer.from(part));
  await writer.sync();
  await writer.close();
}

async function read(fs: FileSystem, file: string): Promise<string> {
  return Buffer.from(await fs.readFile(file)).toString();
}
