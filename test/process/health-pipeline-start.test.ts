/*
 * Goal: `npm start` shows a kill and the way back, and its exit code says whether the books balance.
 * Method: scripts/start.ts as npm runs it, fast, with one kill; then with spoilt outputs, bad
 * arguments, a job that does not start, and Ctrl-C.
 * Replay: npm run test:process -- health-pipeline-start
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { finishedFiles } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  NodeProcess,
  REPOSITORY,
  runReference,
  settings,
  type Run,
} from '../support/tidemark-process.ts';

const DATA = `${REPOSITORY}/examples/data`;
const COUNTS = {
  read: 117_735,
  valid: 116_479,
  windows: 8_855,
  dlq: { duplicate: 195, 'not-finite': 1_061 },
};

/** Rows per second of each file: what a kill waits for must come in time, also on a machine that is ten times slower. */
const RATE = '3000';

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-start-'));
});

afterEach(() => {
  removeFolder(root);
});

function start(...args: readonly string[]): NodeProcess {
  return new NodeProcess([`${REPOSITORY}/scripts/start.ts`, ...args]);
}

function ledgerOf({ stdout }: Run): unknown {
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout);
}

describe('npm start', () => {
  it('kills a TaskManager, shows how the job goes on, and balances the books', async () => {
    const out = `${root}/out`;
    const run = await start(
      ...['--sink', 'files', '--rate', RATE, '--out', out],
      ...settings({ 'execution.checkpointing.interval': '200ms' }),
    ).ended;

    expect(run, run.stdout + run.stderr).toMatchObject({ code: 0 });
    expect(run.stdout).toMatch(/TaskManager tm-\d+ \(pid \d+\): runs tasks/);
    expect(run.stdout).toMatch(/TaskManager tm-\d+ \(pid \d+\): a spare that stands by/);
    expect(run.stdout).toMatch(/kill -9 \d+ \(TaskManager tm-\d+\) at [\d,]+ rows/);
    expect(run.stdout).toMatch(/recovered in [\d,]+ ms/);
    expect(run.stdout).toMatch(/restarts +1\n/);
    expect(run.stdout).toMatch(/= valid +116,479/);
    expect(run.stdout).toContain('Everything adds up.');
    expect(runReference('check', DATA, out)).toMatchObject({ code: 0 });
  });

  it('kills the whole job, lets it resume, and balances the books', async () => {
    const out = `${root}/out`;
    const run = await start(
      ...['--sink', 'files', '--victim', 'job', '--rate', RATE, '--out', out],
      ...settings({ 'execution.checkpointing.interval': '200ms' }),
    ).ended;

    expect(run, run.stdout + run.stderr).toMatchObject({ code: 0 });
    expect(run.stdout).toMatch(/checkpoint 3 in \d+ ms, [\d.]+ \w+ written/);
    expect(run.stdout).toMatch(/kill -9 \d+ \(the job\) at [\d,]+ rows/);
    expect(run.stdout).toContain('Restoring job from latest checkpoint');
    expect(run.stdout).toMatch(/recovered in [\d,]+ ms/);
    expect(run.stdout).toMatch(/restarts +1\n/);
    expect(run.stdout).toMatch(/= valid +116,479/);
    expect(run.stdout).toContain('Everything adds up.');
    expect(runReference('check', DATA, out)).toMatchObject({ code: 0 });
  });

  it('prints the ledger as one line of JSON', async () => {
    const out = `${root}/out`;
    const plain = await start('--no-kill', '--rate', '0', '--out', out, '--json').ended;

    expect(plain, plain.stderr).toMatchObject({ code: 0 });
    expect(ledgerOf(plain)).toMatchObject({ ...COUNTS, restarts: 0, recoveryMs: [], ok: true });

    // The folder is ours by now, and is cleared.
    const killed = await start(
      ...['--victim', 'job', '--kills', '2', '--rate', RATE, '-p', '3', '--out', out, '--json'],
      ...settings({ 'execution.checkpointing.interval': '100ms' }),
    ).ended;
    expect(killed, killed.stderr).toMatchObject({ code: 0 });
    expect(ledgerOf(killed)).toMatchObject({
      ...COUNTS,
      restarts: 2,
      recoveryMs: [expect.any(Number), expect.any(Number)],
      ok: true,
    });
  });

  it('fails if a kill was asked for and the job was faster', async () => {
    const run = await start(
      ...['--sink', 'files', '--rate', '1000000', '--out', `${root}/out`],
      // The kill waits for checkpoints: none comes in time, however slow the machine is.
      ...settings({ 'execution.checkpointing.interval': '1h' }),
    ).ended;

    expect(run).toMatchObject({ code: 1 });
    expect(run.stdout).toContain('kills asked for: 1, done before the job was over: 0');
    expect(run.stdout).toContain('give a lower --rate');
  });

  it('clears no folder that somebody else filled', async () => {
    fs.writeFileSync(`${root}/thesis.txt`, 'mine');

    const run = await start('--no-kill', '--rate', '0', '--out', root).ended;

    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toContain('holds something that npm start did not make');
    expect(fs.readdirSync(root)).toEqual(['thesis.txt']);
  });

  it.each([
    [['--rate', 'fast'], '--rate fast: give a whole number from 0'],
    [['--kills', '-1'], '--kills'],
    [['-p', '0'], '--parallelism 0: give a whole number from 1'],
    [['--rate', '0'], 'add --no-kill'],
    [['--sink', 'kafka'], 'use --sink iceberg or --sink files'],
    [['--victim', 'me'], 'use --victim task-manager or --victim job'],
    [['--unknown'], '--unknown'],
  ])('refuses %j', async (args, text) => {
    const run = await start(...args).ended;

    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toContain(text);
    expect(run.stderr).toContain('npm start -- --help');
  });

  it('shows what a job that does not start says', async () => {
    const bad = settings({ 'execution.checkpointing.interval': 'often' });
    const run = await start('--no-kill', '--rate', '0', '--out', `${root}/out`, ...bad).ended;

    expect(run).toMatchObject({ code: 1 });
    expect(run.stderr).toContain('exit code 2');
    expect(run.stderr).toContain('SET-001');
    expect(run.stderr).toMatch(/execution\.checkpointing\.interval=`often`: accepts/);
  });

  it('ends with its child on Ctrl-C, and what is finished stays right', async () => {
    const out = `${root}/out`;
    const running = start(
      ...['--sink', 'files', '--rate', '2000', '--out', out],
      ...settings({ 'execution.checkpointing.interval': '100ms' }),
    );
    await running.until(() => finishedFiles(`${out}/vitals`).length > 0);
    const children = childrenOf(running.pid);

    const run = await running.kill('SIGINT');

    expect(run, run.stderr).toMatchObject({ code: 130 });
    expect(run.stderr).toContain('Stopped.');
    expect(children.filter(isAlive)).toEqual([]);
    expect(runReference('check', DATA, out, '--subset')).toMatchObject({ code: 0 });
  });
});

describe('npm start -- --check', () => {
  let whole: string;

  beforeAll(async () => {
    whole = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-whole-'));
    const run = await start(
      ...['--sink', 'files', '--no-kill', '--rate', '0', '--out', whole, '--json'],
    ).ended;
    expect(run, run.stderr).toMatchObject({ code: 0 });
    return () => {
      removeFolder(whole);
    };
  });

  it('finds nothing where nothing was touched', async () => {
    const run = await start('--sink', 'files', '--check', '--out', whole).ended;

    expect(run, run.stdout).toMatchObject({ code: 0 });
    expect(run.stdout).toContain('Everything adds up.');
  });

  const faults: readonly (readonly [string, string, (lines: string[]) => string[], string])[] = [
    ['a lost vital', 'vitals', (lines) => lines.slice(1), 'vitals and dlq hold 117734'],
    ['a vital twice', 'vitals', ([a = '', ...rest]) => [a, a, ...rest], 'twice'],
    ['a changed vital', 'vitals', changed('value'), 'from vitals follow'],
    ['a lost letter', 'dlq', (lines) => lines.slice(1), 'vitals and dlq hold 117734'],
    ['a letter twice', 'dlq', ([a = '', ...rest]) => [a, a, ...rest], 'dlq has'],
    ['a lost window', 'vitals_hourly', (lines) => lines.slice(1), 'vitals_hourly lacks'],
    ['a window twice', 'vitals_hourly', ([a = '', ...rest]) => [a, a, ...rest], 'or twice'],
    ['a changed count', 'vitals_hourly', changed('count'), 'from vitals follow'],
    ['a changed mean', 'vitals_hourly', changed('mean'), 'from vitals follow'],
    ['a torn line', 'vitals', ([a = '', ...rest]) => [a.slice(0, 10), ...rest], 'is not JSON'],
  ];
  it.each(faults)('finds %s', async (_, sink, spoil, text) => {
    fs.cpSync(whole, `${root}/out`, { recursive: true });
    const file = finishedFiles(`${root}/out/${sink}`).find((each) => fs.statSync(each).size > 0);
    expect(file).toBeDefined();
    const lines = fs.readFileSync(file ?? '', 'utf8').split('\n');
    fs.writeFileSync(file ?? '', spoil(lines).join('\n'));

    const run = await start('--sink', 'files', '--check', '--out', `${root}/out`).ended;

    expect(run, run.stdout).toMatchObject({ code: 1 });
    expect(run.stdout).toContain('This does not add up:');
    expect(run.stdout).toContain(text);
  });
});

function changed(field: string): (lines: string[]) => string[] {
  return ([first = '', ...rest]) => {
    const record = JSON.parse(first) as Record<string, number>;
    return [JSON.stringify({ ...record, [field]: (record[field] ?? 0) + 1 }), ...rest];
  };
}

/** Empty where there is no /proc. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!fs.existsSync(file)) return [];
  return fs.readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
