import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RotatedLog } from '../service/rotated-log.ts';
import { readJobLog, type JobLogPart } from './job-log.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-job-log-'));
  file = path.join(folder, 'job.log');
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

function read(cursor: string | undefined, more: { lines?: number; isOver?: boolean } = {}) {
  return readJobLog(file, { cursor, lines: 10, isOver: false, ...more });
}

/** All that there is behind an answer. */
async function rest(part: JobLogPart): Promise<string> {
  let text = '';
  for (let next = part; ;) {
    next = await read(next.cursor);
    text += next.text;
    if (!next.more) return text;
  }
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, at) => `line ${from + at}\n`).join('');

it('gives the last lines, over all parts, and then what follows, each line once', async () => {
  const log = new RotatedLog(file, 100);
  for (let at = 0; at < 20; at += 1) log.write(`line ${at}\n`);
  const first = await read(undefined, { lines: 15 });
  expect(first.text).toBe(lines(5, 20));
  // It is rotated twice meanwhile.
  for (let at = 20; at < 45; at += 1) log.write(`line ${at}\n`);
  expect(await rest(first)).toBe(lines(20, 45));
});

it('waits for the end of a line, but not when the job is over', async () => {
  fs.writeFileSync(file, 'one\ntwo');
  const first = await read(undefined);
  expect(first.text).toBe('one\n');
  expect(await read(first.cursor)).toMatchObject({ text: '', more: false });
  expect(await read(first.cursor, { isOver: true })).toMatchObject({ text: 'two', more: false });
  fs.appendFileSync(file, ' and more: ü\n');
  expect(await read(first.cursor)).toMatchObject({ text: 'two and more: ü\n' });
});

it('says when lines are gone', async () => {
  const log = new RotatedLog(file, 50);
  log.write('first\n');
  const first = await read(undefined);
  for (let at = 0; at < 60; at += 1) log.write(`line ${at}\n`);
  const next = await read(first.cursor);
  expect(next).toMatchObject({ lost: true, more: true });
  expect(next.text + (await rest(next))).toMatch(/^line \d+\n[^]*line 59\n$/);
});

it('is empty before anything is printed, and refuses what is no cursor', async () => {
  const first = await read(undefined);
  expect(first).toMatchObject({ text: '', lost: false });
  fs.writeFileSync(file, 'hello\n');
  expect(await read(first.cursor)).toMatchObject({ text: 'hello\n' });
  await expect(read('../../etc/passwd')).rejects.toThrow('RST-001');
});
