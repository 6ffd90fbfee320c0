/*
 * Goal: a folder that neither answers nor fails, as a network file system does whose server is gone, is given up by a start of a
 * job with the reason, and the process ends.
 * Method: a pipe that nobody writes stands where the content of `HEAD` was: whoever opens it waits.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { filesBelow } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { startTidemark, settings, type NodeProcess } from '../support/tidemark-process.ts';

let root: string;
const running: NodeProcess[] = [];

beforeEach(() => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-silent-')));
});

afterEach(async () => {
  for (const job of running.splice(0)) await job.kill('SIGKILL');
  removeFolder(root);
});

function start(more: Readonly<Record<string, string>> = {}): NodeProcess {
  const job = startTidemark([
    ...['run', 'test/integration/jobs/padded-counts.ts', '--json', '-p', '1'],
    ...settings({
      'execution.checkpointing.dir': `${root}/checkpoints`,
      'execution.checkpointing.interval': '100ms',
      'execution.checkpointing.min-pause': '0',
      'restart-strategy.type': 'none',
      ...more,
    }),
    ...['--', '--out', `${root}/out`, '--count', '1000000', '--rate', '200'],
  ]);
  running.push(job);
  return job;
}

/** Of the version that counts: beside it may be what is left of another one. */
function isContentOfHead(file: string): boolean {
  const version = /\/HEAD\/\.tidemark-body-(.+)$/.exec(file)?.[1];
  return version !== undefined && fs.existsSync(`${path.dirname(file)}/.tidemark-head-${version}`);
}

it('is given up, with the reason', async () => {
  const first = start();
  await first.until(() => first.count('checkpoint-completed') > 1);
  await first.kill('SIGKILL');
  const head = filesBelow(`${root}/checkpoints`).find(isContentOfHead) ?? '';
  fs.rmSync(head);
  expect(spawnSync('mkfifo', [head]).status).toBe(0);
  // Long enough for all that does answer.
  const { code, signal, stdout, stderr } = await start({ 'tidemark.storage.answer-timeout': '10s' })
    .ended;
  expect([code, signal], stdout + stderr).toEqual([null, 'SIGKILL']);
  expect(stdout + stderr).toMatch(/STO-001: .*ETIMEDOUT/);
  expect(stdout + stderr).toContain('tidemark.storage.answer-timeout');
});
