/*
 * Goal: the table of MarketLag, and each improvement on the way to it, is exactly what a program without
 * Tidemark computes from the same file, at any parallelism and however often the process is killed.
 * Method: the real command, from dist/; then test/reference/market_lag.py compares every line. In the end it
 * is killed with kill -9 at random moments and started again; after each kill what can be seen is compared.
 * Replay: SEED=<printed> npm run test:process -- market-lag. The seed gives the moments; what the
 * processes do meanwhile is the machine's.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { killAgainAndAgain } from '../support/kill-loop.ts';
import { removeFolder } from '../support/remove-folder.ts';
import { seed } from '../support/seed.ts';
import {
  REPOSITORY,
  runPython,
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
} from '../support/tidemark-process.ts';

const KILLS = 12;
/** Rows per second of 12,154: after all kills some must be left, also on a machine that is ten times slower. */
const RATE = 60;
const DATA = `${REPOSITORY}/examples/data/stocks.csv.gz`;

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-market-lag-'));
});

afterEach(() => {
  removeFolder(root);
});

function args(parallelism: number, engine: Readonly<Record<string, string>> = {}): string[] {
  return [
    ...['run', 'examples/market-lag.ts', '--json', '-p', String(parallelism)],
    ...settings({ 'execution.checkpointing.dir': `${root}/checkpoints`, ...engine }),
    ...['--', '--out', `${root}/out`],
  ];
}

describe('MarketLag', () => {
  it('is measured against a known table', () => {
    const { code, stdout } = runPython('market_lag.py', 'table', DATA);
    expect(code).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines.length).toBe(5 * 30);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      symbol: 'AAPL',
      lag: 1,
      delta: 0.6118669054994077,
    });
  });

  it.each([1, 2, 3])('writes exactly what is expected at parallelism %i', async (parallelism) => {
    const run = await runTidemark(args(parallelism));
    expect(run, run.stderr).toMatchObject({ code: 0 });
    const check = runPython('market_lag.py', 'check', DATA, `${root}/out`);
    expect(check, check.stderr).toMatchObject({ code: 0 });
  });

  it(`is the same after ${KILLS} kills at random moments (SEED=${seed})`, async () => {
    const engine = {
      'execution.checkpointing.interval': '100ms',
      'execution.checkpointing.min-pause': '0',
    };
    const start = (parallelism: number, rate: number): NodeProcess =>
      startTidemark([...args(parallelism, engine), '--rate', String(rate)]);
    const restored = await killAgainAndAgain({
      ...{ seed, kills: KILLS, recordsMax: 60, checkpointsMax: 4, parallelismMax: 3 },
      out: `${root}/out`,
      start: (parallelism) => start(parallelism, RATE),
      look: (what) => {
        const check = runPython('market_lag.py', 'check', DATA, `${root}/out`, '--subset');
        expect(check, `${what}: ${check.stderr}`).toMatchObject({ code: 0 });
      },
    });
    const last = await start(2, 1_000_000).ended;
    expect(last, `SEED=${seed}\n${last.stdout}${last.stderr}`).toMatchObject({ code: 0 });
    const check = runPython('market_lag.py', 'check', DATA, `${root}/out`);
    expect(check, `SEED=${seed}: ${check.stderr}`).toMatchObject({ code: 0 });
    expect(restored.size, `SEED=${seed}`).toBeGreaterThan(2);
  });
});
