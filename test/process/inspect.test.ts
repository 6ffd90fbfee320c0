/*
 * Goal: without any service, `inspect` tells what a checkpoint holds down to its entries, finds damage, and
 * compares; `upgrade check` tells whether a job can go on from it; `savepoints list` lists.
 * Method: a real job is killed with its checkpoints; the real commands then look at what it has left.
 * Replay: npm run test:process -- inspect
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHead } from '../../src/checkpoint/head.ts';
import { nodeFileSystem } from '../../src/common/node-file-system.ts';
import { systemRandom } from '../../src/common/random.ts';
import { FileBlobStore } from '../../src/storage/file-blob-store.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { finishedLines } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  REPOSITORY,
  runTidemark,
  settings,
  startTidemark,
  type Run,
} from '../support/tidemark-process.ts';

/** Enough that state has files of its own. */
const KEYS = 8_000;
const JOB = 'test/process/jobs/totals.ts';
const LOOK_MS = 100;

let root: string;
/** Paths of checkpoints that are retained, oldest first. */
let checkpoints: string[];

const storage = () => settings({ 'execution.checkpointing.dir': `${root}/checkpoints` });
const job = () => ['--', '--out', `${root}/out`, '--keys', String(KEYS)];

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-inspect-')));
  const engine = settings({
    'execution.checkpointing.interval': '100ms',
    'execution.checkpointing.min-pause': '0',
    'execution.checkpointing.num-retained': '3',
  });
  const running = startTidemark([
    'run',
    JOB,
    '--json',
    '-p',
    '2',
    ...storage(),
    ...engine,
    ...job(),
  ]);
  // All that are retained have all keys: one of the two sources may be behind the other.
  const keysOut = () =>
    new Set(finishedLines(`${root}/out`).map((line) => (JSON.parse(line) as { key: number }).key));
  while (keysOut().size < KEYS && !running.isOver) await sleep(systemClock, LOOK_MS);
  const goal = running.count('checkpoint-completed') + 4;
  expect(await running.until(() => running.count('checkpoint-completed') >= goal)).toBe(true);
  await running.kill('SIGKILL');
  const [any = ''] = fs.globSync(`${root}/checkpoints/*/chk-*/_metadata`);
  const folder = path.dirname(path.dirname(any));
  // Of the next one, too, there may be metadata; it is complete when HEAD says so.
  const store = new FileBlobStore(nodeFileSystem, `${root}/checkpoints`, systemRandom);
  const found = await readHead(store, path.basename(folder));
  checkpoints = (found?.head.checkpoints ?? []).map((each) => `${folder}/chk-${each.checkpointId}`);
});

afterAll(() => {
  removeFolder(root);
});

const latest = () => checkpoints.at(-1) ?? '';

function run(...args: readonly string[]): Promise<Run> {
  return runTidemark(args);
}

async function expectOk(ended: Promise<Run>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

describe('tidemark inspect', () => {
  it.each([
    ['a path', () => latest()],
    ['a URL', () => `file://${latest()}`],
    ['the metadata', () => `${latest()}/_metadata`],
    ['latest', () => `${path.dirname(latest())}/latest`],
  ])('shows a checkpoint by %s', async (_, given) => {
    const stdout = await expectOk(run('inspect', given()));
    expect(stdout).toContain(`file://${latest()}`);
    expect(stdout).toMatch(
      new RegExp(`^add/total +value +${KEYS.toLocaleString('en-US')} +8,000 +\\d+ +number`, 'm'),
    );
    expect(stdout).toMatch(/^numbers +2 /m);
  });

  it("shows a job's latest checkpoint, by its name, its id and the beginning of it", async () => {
    const id = path.basename(path.dirname(latest()));
    for (const name of ['totals', id, id.slice(0, 6)]) {
      expect(await expectOk(run('inspect', name, ...storage()))).toContain(id);
    }
  });

  it('prints entries, and the one of a key', async () => {
    const ten = await expectOk(run('inspect', latest(), '--state', 'add/total', '--limit', '10'));
    expect(ten.trim().split('\n')).toHaveLength(11);
    const one = await expectOk(
      run('inspect', latest(), '--state', 'add/total', '--key', '7', '--json'),
    );
    expect(JSON.parse(one)).toMatchObject({ state: 'total', key: 7 });
    const splits = await expectOk(run('inspect', latest(), '--state', 'numbers/splits', '--json'));
    expect(JSON.parse(splits.split('\n')[0] ?? '')).toMatchObject({ state: 'splits', subtask: 0 });
  });

  it('refuses a state or a snapshot that is not there', async () => {
    const state = await run('inspect', latest(), '--state', 'add/nothing');
    expect(state).toMatchObject({ code: 2 });
    expect(state.stderr).toMatch(/CLI-028.*known=`.*add\/total/);
    const none = await run('inspect', `${root}/checkpoints/chk-1`);
    expect(none).toMatchObject({ code: 2 });
    expect(none.stderr).toContain('CLI-026');
  });

  it('finds a checkpoint sound, and names the file of one that is damaged', async () => {
    expect(await expectOk(run('inspect', latest(), '--verify'))).toMatch(/^Sound: \d+ files/m);
    const copy = `${root}/copy`;
    fs.cpSync(`${root}/checkpoints`, copy, { recursive: true });
    const damaged = latest().replace(`${root}/checkpoints`, copy);
    const files = fs.globSync(`${copy}/**/add-*`);
    expect(files.length).toBeGreaterThan(0);
    for (const each of files) {
      const bytes = fs.readFileSync(each);
      const at = Math.floor(bytes.length / 2);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      fs.writeFileSync(each, bytes);
    }
    const { code, stdout } = await run('inspect', damaged, '--verify');
    expect(code).toBe(5);
    expect(stdout).toMatch(/add: CHK-001: .*copy/);
    expect(stdout).toMatch(/^Damaged: /m);
  });

  it('compares two checkpoints entry by entry', async () => {
    const stdout = await expectOk(
      // Of two that follow each other a slow machine may have read nothing in between.
      run('inspect', checkpoints[0] ?? '', '--diff', latest(), '--json'),
    );
    const { states, addedOperators } = JSON.parse(stdout) as {
      readonly states: readonly {
        readonly state: string;
        readonly added: number;
        readonly removed: number;
        readonly changed: number;
        readonly same: number;
      }[];
      readonly addedOperators: readonly string[];
    };
    expect(addedOperators).toEqual([]);
    const total = states.find(({ state }) => state === 'total');
    expect(total).toMatchObject({ removed: 0 });
    expect(total?.changed).toBeGreaterThan(0);
    expect((total?.added ?? 0) + (total?.changed ?? 0) + (total?.same ?? 0)).toBe(KEYS);
    const self = JSON.parse(
      await expectOk(run('inspect', latest(), '--diff', latest(), '--json')),
    ) as typeof total & { states: typeof states };
    expect(self.states.find(({ state }) => state === 'total')).toMatchObject({
      added: 0,
      removed: 0,
      changed: 0,
      same: KEYS,
    });
  });
});

describe('tidemark upgrade check', () => {
  it('lets the same job pass, at another parallelism too', async () => {
    expect(await expectOk(run('upgrade', 'check', JOB, latest(), ...job()))).toContain('Fits');
    const stdout = await expectOk(
      run('upgrade', 'check', JOB, 'totals', '-p', '3', ...storage(), ...job()),
    );
    expect(stdout).toMatch(/^add +same +2 → 3/m);
  });

  it('refuses another job with the code of the restore', async () => {
    const lines = ['--', '--input', 'in', '--out', 'out'];
    const other = await run('upgrade', 'check', 'test/process/jobs/lines.ts', latest(), ...lines);
    expect(other, other.stderr).toMatchObject({ code: 6 });
    expect(other.stdout).toContain('CHK-004');
    const json = await run(
      'upgrade',
      'check',
      'test/process/jobs/lines.ts',
      latest(),
      '--json',
      ...lines,
    );
    expect(json).toMatchObject({ code: 6 });
    expect(JSON.parse(json.stdout)).toMatchObject({ fits: false, problems: [{ code: 'CHK-004' }] });
  });

  it('tells what is wrong with the job itself', async () => {
    const { code, stderr } = await run(
      'upgrade',
      'check',
      'test/process/jobs/duplicate-uid.ts',
      latest(),
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/API-\d+|GRA-\d+/);
    expect(await run('upgrade', 'check', 'nothing.ts', latest())).toMatchObject({ code: 2 });
  });
});

describe('tidemark savepoints list', () => {
  it('lists what is there, and what cannot be read', async () => {
    const folder = `${root}/savepoints`;
    const golden = fs.readFileSync(`${REPOSITORY}/test/golden/savepoint-metadata-1`);
    for (const name of ['savepoint-aaaaaa-1', 'savepoint-aaaaaa-2']) {
      fs.mkdirSync(`${folder}/${name}`, { recursive: true });
      fs.writeFileSync(`${folder}/${name}/_metadata`, golden);
    }
    fs.writeFileSync(`${folder}/savepoint-aaaaaa-2/_metadata`, golden.subarray(0, 100));
    const { code, stdout } = await run('savepoints', 'list', folder);
    expect(code).toBe(5);
    expect(stdout).toMatch(/savepoint-aaaaaa-1$/m);
    expect(stdout).toMatch(/savepoint-aaaaaa-2: CHK-001/);
    expect(await expectOk(run('savepoints', 'list', `${root}/empty`))).toContain('no savepoints');
  });
});
