import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { keepNewest, RotatedLog } from './rotated-log.ts';

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-log-'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

function texts(): Record<string, string> {
  const names = fs.readdirSync(folder).sort();
  return Object.fromEntries(
    names.map((name) => [name, fs.readFileSync(path.join(folder, name), 'utf8')]),
  );
}

it('keeps the end of what was written, in files of bounded size', () => {
  const log = new RotatedLog(path.join(folder, 'x.log'), 4);
  for (let n = 10; n < 30; n += 1) log.write(String(n));
  expect(texts()).toEqual({
    'x.log': '2829',
    'x.log.1': '2627',
    'x.log.2': '2425',
    'x.log.3': '2223',
  });
});

it('goes on where an earlier process was, also under another name', () => {
  new RotatedLog(path.join(folder, 'job.log'), 100).write('before ');
  const log = new RotatedLog(path.join(folder, 'new.log'), 100);
  log.write('at the start ');
  log.moveTo(path.join(folder, 'job.log'));
  log.write('and later');
  expect(texts()).toEqual({ 'job.log': 'before at the start and later' });
});

it('ends nobody when it cannot be written', () => {
  const log = new RotatedLog(path.join(folder, 'x.log'));
  fs.mkdirSync(path.join(folder, 'x.log'));
  expect(() => {
    log.write('lost');
  }).not.toThrow();
});

it('removes the oldest of many', () => {
  for (let n = 1; n <= 4; n += 1) {
    fs.writeFileSync(path.join(folder, `job-${n}.log`), '');
    fs.utimesSync(path.join(folder, `job-${n}.log`), n, n);
  }
  fs.writeFileSync(path.join(folder, 'jobmanager.log'), '');
  keepNewest(folder, 'job-', 2);
  expect(Object.keys(texts())).toEqual(['job-3.log', 'job-4.log', 'jobmanager.log']);
});
