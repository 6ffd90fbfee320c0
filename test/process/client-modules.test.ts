/*
 * Goal: a command that only asks a service answers at once: it loads nothing of the engine. (How long an answer
 * takes depends on the machine; what is loaded for it does not.)
 * Method: the real commands with a hook that writes down every module that is loaded.
 * Replay: npm run test:process -- client-modules
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startOf } from '../../src/service/process-identity.ts';
import { RecordedService } from '../support/recorded-service.ts';
import { REPOSITORY, runTidemark } from '../support/tidemark-process.ts';

/** Rooms of which a command may load something, and packages. */
const ROOMS = ['cli', 'common', 'service'];
const PACKAGES = ['commander', 'picocolors'];
/** Of the service's room, who tells where it is. */
const OF_SERVICE = ['service/service-record.js', 'service/process-identity.js'];
/** More would cost more than the answer does. */
const MODULES_MAX = 45;

let service: RecordedService;
let root: string;

beforeAll(async () => {
  service = await RecordedService.start([
    { jid: '02423caa95fb3189599b51c06bdcc777', name: 'orders', state: 'RUNNING' },
  ]);
  service.outcome = { location: 'file:/savepoints/savepoint-02423c-6999c6c849f0' };
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-modules-'));
  // As a service of this user leaves it: this process is it.
  const { pid } = process;
  const record = { pid, processStart: startOf(pid), address: service.address, state: 'running' };
  fs.writeFileSync(`${root}/service-1.json`, JSON.stringify(record));
});

afterAll(async () => {
  await service.close();
  fs.rmSync(root, { recursive: true });
});

async function modulesOf(line: string): Promise<string[]> {
  const file = `${root}/${line.replaceAll(/\W/g, '-')}`;
  const hook = `--import=${REPOSITORY}/test/support/list-modules.mjs`;
  const env = { TIDEMARK_HOME: root, TEST_MODULES: file, NODE_OPTIONS: hook };
  const { code, stderr } = await runTidemark(line.split(' '), { env });
  expect(code, stderr).toBe(0);
  const urls = fs.readFileSync(file, 'utf8').split('\n');
  return urls
    .filter((url) => url.startsWith('file:'))
    .map((url) => url.split(REPOSITORY)[1] ?? url);
}

it.each([
  'list',
  'list --json',
  'status orders',
  'checkpoints orders',
  'savepoint orders',
  'savepoint orders --detached',
  'savepoint -d /savepoints/savepoint-02423c-6999c6c849f0',
  'stop orders',
  'cancel orders',
  'checkpoint orders',
  'complete -- cancel ord',
  '--help',
])('%s loads nothing of the engine', async (line) => {
  const modules = await modulesOf(line);
  expect(modules).toContain('/dist/cli/main.js');
  const rooms = new Set(modules.flatMap((each) => /^\/dist\/(\w+)\//.exec(each)?.[1] ?? []));
  expect(ROOMS).toEqual(expect.arrayContaining([...rooms]));
  const packages = new Set(
    modules.flatMap((each) => /node_modules\/([^/]+)/.exec(each)?.[1] ?? []),
  );
  expect(PACKAGES).toEqual(expect.arrayContaining([...packages]));
  const ofService = modules.filter((each) => each.startsWith('/dist/service/'));
  expect(OF_SERVICE.map((each) => `/dist/${each}`)).toEqual(expect.arrayContaining(ofService));
  expect(modules.length).toBeLessThan(MODULES_MAX);
});

it('a command that looks into the storage does load some', async () => {
  const modules = await modulesOf(`savepoints list ${root}`);
  expect(modules.some((each) => each.startsWith('/dist/cluster/'))).toBe(true);
});
