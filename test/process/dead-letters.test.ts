/*
 * Goal: a record on which a function throws ends no job; it is found with its place and reason, and comes
 * again once, however often it is replayed and whatever is killed.
 * Method: the real commands. A job meets bad records, is killed, is asked about, and goes on repaired.
 * Replay: npm run test:process -- dead-letters
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tableRows } from '../../scripts/start/table-rows.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { finishedFiles } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const JOB = 'test/process/jobs/letters.ts';
const LOOK_MS = 50;
const ROWS = Array.from({ length: 40 }, (_, n) => ({
  n,
  key: `k${n % 3}`,
  value: n % 8 === 5 ? `${n},5` : n % 10 === 7 ? `-${n}` : String(n),
}));
const UNPARSED = ROWS.filter(({ value }) => value.includes(','));
const NEGATIVE = ROWS.filter(({ value }) => value.startsWith('-'));

let root: string;

beforeAll(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-letters-')));
  fs.mkdirSync(`${root}/in`);
  fs.writeFileSync(`${root}/in/a.jsonl`, ROWS.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const job = start();
  const wanted = UNPARSED.length + NEGATIVE.length;
  expect(await job.until(() => lines('dlq').length >= wanted)).toBe(true);
  // The same checkpoint, and another commit.
  while ((await tableRows(`${root}/out/lake`, 'ops.dead_letters')).length < wanted) {
    await sleep(systemClock, LOOK_MS);
  }
  await job.kill('SIGKILL');
});

afterAll(() => {
  removeFolder(root);
});

function start(...own: readonly string[]): NodeProcess {
  return startTidemark([
    ...['run', JOB, '--json', '-p', '2'],
    ...settings({
      'execution.checkpointing.dir': `${root}/checkpoints`,
      'execution.checkpointing.interval': '100ms',
      'execution.checkpointing.min-pause': '0',
    }),
    ...['--', '--input', `${root}/in`, '--out', `${root}/out`, ...own],
  ]);
}

function lines(name: string): Record<string, unknown>[] {
  return finishedFiles(`${root}/out/${name}`)
    .filter((file) => path.basename(file).startsWith('part-'))
    .flatMap((file) => fs.readFileSync(file, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function dlq(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTidemark(['dlq', ...args]);
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

const place = () => `${root}/out/dlq`;

describe('tidemark dlq', () => {
  it('lists letters by operator and reason', async () => {
    const text = await dlq('list', place());
    expect(text).toMatch(/^OPERATOR +REASON +LETTERS +REPLAYED/);
    expect(text).toMatch(new RegExp(`parse +TypeError +${UNPARSED.length} +0 .*no number: `));
    expect(text).toMatch(new RegExp(`sum +RangeError +${NEGATIVE.length} +0 `));

    const only = await dlq('list', place(), '--operator', 'sum', '--json');
    expect(JSON.parse(only)).toMatchObject({ letters: NEGATIVE.length, replayed: 0 });
    expect(await dlq('list', place(), '--until', '1h')).toContain('There are no such dead letters');
    const one = await dlq('list', place(), '--since', '1h', '--error', 'TypeError', '--ids');
    expect(one.trim().split('\n')).toHaveLength(UNPARSED.length + 1);
  });

  it('is about letters that any sink can take, such as a table', async () => {
    const rows = await tableRows(`${root}/out/lake`, 'ops.dead_letters');
    expect(byId(rows)).toEqual(byId(lines('dlq')));
  });

  it('shows where a letter comes from', async () => {
    const letter = lines('dlq').find(({ operator }) => operator === 'parse');
    const text = await dlq('show', place(), String(letter?.['id']));
    expect(text).toContain('parse: TypeError: no number: ');
    expect(text).toMatch(/Source +rows\n/);
    expect(text).toMatch(new RegExp(`Position +file=${root}/in/a.jsonl, row=\\d+\n`));
    expect(text).toContain('letters.ts');
    const missing = await runTidemark(['dlq', 'show', place(), 'nobody']);
    expect(missing).toMatchObject({ code: 2 });
    expect(missing.stderr).toContain('CLI-080');
  });

  it('refuses a job that would never read them', async () => {
    const given = ['test/process/jobs/letters.ts', '--', '--input', 'x', '--out', 'y'];
    const run = await runTidemark(['dlq', 'replay', place(), ...given]);
    expect(run).toMatchObject({ code: 2 });
    expect(run.stderr).toContain('CLI-081');
    expect(run.stderr).toContain("operator: 'parse'");
    expect(fs.existsSync(`${place()}/replay`)).toBe(false);
  });

  it('replays each letter once, to a job that is killed on the way', async () => {
    const dry = JSON.parse(
      await dlq('replay', place(), '--operator', 'sum', '--dry-run', '--json'),
    );
    expect(dry).toMatchObject({ dryRun: true, chosen: [{ letters: NEGATIVE.length }], done: [] });
    expect(fs.existsSync(`${place()}/replay`)).toBe(false);

    // Two at a time, and once more: no letter is taken twice.
    const replay = () => dlq('replay', place(), '--operator', 'sum', '--json');
    await Promise.all([replay(), replay()]);
    expect(JSON.parse(await replay())).toMatchObject({
      chosen: [{ letters: 0, before: NEGATIVE.length }],
      done: [],
    });

    for (let kills = 0; kills < 3; kills += 1) {
      const job = start('--fixed', 'true');
      await job.until(() => job.count('checkpoint-completed') >= 1 + kills);
      await job.kill('SIGKILL');
    }
    const job = start('--fixed', 'true');
    const wanted = ROWS.length - UNPARSED.length;
    expect(await job.until(() => lines('sums').length >= wanted)).toBe(true);
    const completed = job.count('checkpoint-completed');
    await job.until(() => job.count('checkpoint-completed') > completed + 1);
    await job.kill('SIGTERM');

    const sums = lines('sums');
    expect(sums.map(({ n }) => Number(n)).toSorted((a, b) => a - b)).toEqual(
      ROWS.filter((row) => !UNPARSED.includes(row)).map(({ n }) => n),
    );
    // State, too, has each of them once: the last sum of a key is the sum of all.
    for (const key of ['k0', 'k1', 'k2']) {
      const own = ROWS.filter((row) => row.key === key && !UNPARSED.includes(row));
      const sum = own.reduce((total, { value }) => total + Number(value), 0);
      expect(sums.filter((row) => row['key'] === key).map(({ value }) => value)).toContain(sum);
    }
    expect(await dlq('list', place())).toMatch(
      new RegExp(`sum .* ${NEGATIVE.length} +${NEGATIVE.length} `),
    );
  });
});

function byId(letters: readonly unknown[]): unknown[] {
  return (letters as { id: string }[]).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
