/*
 * Goal: compare-and-swap of FileBlobStore is right between real processes that are killed.
 * Method: three processes count one blob up, printing each step that was reported done; after some steps
 * one is killed with SIGKILL and replaced. A step counts once, and none is lost; only the last step
 * of a killed process may count although it was not printed. A reader always sees a whole number.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { randomInt, systemRandom } from '../../src/common/random.ts';
import { FileBlobStore } from '../../src/storage/file-blob-store.ts';

const KILLS = 12;
const PROCESSES = 3;
/** The most steps of a process between two kills. */
const STEPS_MAX = 40;
const LOOK_MS = 5;

const DIST = new URL('../../dist/', import.meta.url).href;

const COUNT_UP = `
  import { nodeFileSystem } from '${DIST}common/node-file-system.js';
  import { systemRandom } from '${DIST}common/random.js';
  import { FileBlobStore } from '${DIST}storage/file-blob-store.js';
  import fs from 'node:fs';
  const store = new FileBlobStore(nodeFileSystem, process.argv[1], systemRandom);
  for (;;) {
    const found = await store.read('job/counter');
    const next = Number(Buffer.from(found.bytes).toString()) + 1;
    const result = await store.replaceIf('job/counter', Buffer.from(String(next)), found.etag);
    if (result !== 'changed') fs.writeSync(1, next + '\\n');
  }`;

let root: string;

beforeEach(async () => {
  root = await fs.mkdtemp(path.join(os.tmpdir(), 'tidemark-count-'));
});

afterEach(async () => {
  await fs.rm(root, { recursive: true });
});

it('counts each step once, whoever is killed', async () => {
  const store = new FileBlobStore(nodeFileSystem, root, systemRandom);
  await store.replaceIf('job/counter', Buffer.from('0'), undefined);
  const count = async (): Promise<number> => {
    const found = await store.read('job/counter');
    return Number(found === undefined ? 'nothing' : Buffer.from(found.bytes).toString());
  };
  const running = Array.from({ length: PROCESSES }, start);
  const ended: Counter[] = [];
  for (let kills = 0; kills < KILLS; kills += 1) {
    const [victim] = running.splice(randomInt(systemRandom, running.length), 1);
    const goal = (victim?.steps().length ?? 0) + 1 + randomInt(systemRandom, STEPS_MAX);
    while (victim !== undefined && victim.steps().length < goal) {
      expect(victim.child.exitCode).toBeNull();
      expect(await count()).toBeGreaterThanOrEqual(0);
      await sleep(systemClock, LOOK_MS);
    }
    if (victim !== undefined) ended.push(await stop(victim));
    running.push(start());
  }
  for (const each of running) ended.push(await stop(each));

  const steps = ended.flatMap((each) => each.steps());
  expect(new Set(steps).size).toBe(steps.length);
  expect(steps.length).toBeGreaterThan(KILLS);
  expect(await count()).toBeGreaterThanOrEqual(steps.length);
  expect(await count()).toBeLessThanOrEqual(steps.length + ended.length);
  // One head and one body, and what the killed left of the version after.
  expect((await fs.readdir(`${root}/job/counter`)).length).toBeLessThanOrEqual(2 + PROCESSES);
});

interface Counter {
  readonly child: ReturnType<typeof spawn>;
  /** What it has reported. */
  readonly steps: () => string[];
}

function start(): Counter {
  const arguments_ = ['--input-type=module', '--eval', COUNT_UP, root];
  const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return { child, steps: () => output.split('\n').filter((line) => line !== '') };
}

async function stop(counter: Counter): Promise<Counter> {
  const closed = once(counter.child, 'close');
  expect(counter.child.exitCode).toBeNull();
  counter.child.kill('SIGKILL');
  await closed;
  return counter;
}
