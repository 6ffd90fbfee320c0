import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { isCertainlyGone, pidSpace, startOf } from './process-identity.ts';

const here = pidSpace();
const own = { pid: process.pid, processStart: startOf(process.pid) ?? '', pidSpace: here };

it.runIf(here !== undefined)('tells a process that is gone from one that lives', async () => {
  expect(isCertainlyGone(own)).toBe(false);
  // Another process has its number now.
  expect(isCertainlyGone({ ...own, processStart: 'earlier' })).toBe(true);
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const { pid = -1 } = child;
  const born = { ...own, pid, processStart: startOf(pid) ?? '' };
  expect(isCertainlyGone(born)).toBe(false);
  process.kill(pid, 'SIGSTOP');
  expect(isCertainlyGone(born)).toBe(false);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(isCertainlyGone(born)).toBe(true);
});

it('says nothing of processes elsewhere', () => {
  const gone = { ...own, pid: 2 ** 22 + 1 };
  expect(isCertainlyGone({ ...gone, pidSpace: 'another machine' })).toBe(false);
  expect(isCertainlyGone({ ...gone, pidSpace: undefined })).toBe(false);
});
