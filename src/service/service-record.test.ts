import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startOf } from './process-identity.ts';
import { findService, ServiceMark } from './service-record.ts';

const ABOUT = { startMs: 1, version: '1.2.3' };
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-mark-'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

it('is there until it is removed, and only once', () => {
  const mark = new ServiceMark(folder, ABOUT);
  expect(() => new ServiceMark(folder, ABOUT)).toThrow('CLI-011');
  mark.change({ state: 'running', address: 'http://127.0.0.1:1' });
  expect(findService(folder)?.record).toMatchObject({ pid: process.pid, state: 'running' });
  expect(fs.statSync(path.join(folder, 'service-1.json')).mode & 0o077).toBe(0);
  mark.remove();
  expect(findService(folder)).toBeUndefined();
  expect(fs.readdirSync(folder)).toEqual([]);
});

it('does not take another process of the same number for the service', () => {
  new ServiceMark(folder, ABOUT);
  const file = path.join(folder, 'service-1.json');
  const record = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
  fs.writeFileSync(file, JSON.stringify({ ...record, processStart: 'an earlier one' }));
  fs.writeFileSync(path.join(folder, 'service-2.json'), 'half of a re');
  expect(findService(folder)).toBeUndefined();
  new ServiceMark(folder, ABOUT);
  // What the dead left is gone.
  expect(fs.readdirSync(folder)).toEqual(['service-3.json']);
});

it('knows a process from its start to its end, also as a zombie', async () => {
  expect(startOf(process.pid)).toBe(startOf(process.pid));
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const pid = child.pid ?? -1;
  expect(startOf(pid)).toBeDefined();
  expect(startOf(pid)).not.toBe(startOf(process.pid));
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(startOf(pid)).toBeUndefined();
  expect(startOf(spawnSync('true').pid)).toBeUndefined();
});
