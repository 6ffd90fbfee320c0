/**
 * A savepoint of large state, and a start from it, with real processes:
 *
 *   savepoint    from the request to its completion, in the service; records that the job reads meanwhile
 *   restore      `tidemark run -s`: from the start of the command to the first correct read at the sink, and until
 *                all of the state is loaded and verified
 *
 * Usage: `npm run bench -- savepoint [--keys N] [--value-bytes N] [--rounds N] [--parallelism N] [--json]`.
 */
import { fail } from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BenchJob } from '../recovery/bench-job.ts';
import { BenchService, settingsFor, type SavepointRound } from './bench-service.ts';

const RATE = 1_000;
/** Reads that are looked at to see that all of the state is there. */
const CORRECT_READS = 200;

interface Options {
  readonly keys: number;
  readonly valueBytes: number;
  readonly parallelism: number;
}

export interface RestoreRound {
  readonly firstCorrectReadMs: number;
  readonly wrongReads: number;
  readonly allVerifiedMs: number;
  readonly readsPerSecondUntilVerified: number;
}

interface Result {
  readonly savepoints: readonly SavepointRound[];
  readonly restores: readonly RestoreRound[];
}

async function measure(options: Options, rounds: number): Promise<Result> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-savepoint-'));
  const service = await BenchService.start(root);
  try {
    const savepoints: SavepointRound[] = [];
    let savepoint = '';
    await service.submit({ ...options, rate: RATE });
    await service.until('filled state', () => service.lastReadsAreCorrect(CORRECT_READS));
    await service.checkpointed();
    for (let round = 0; round < rounds; round += 1) {
      const taken = await service.savepoint(`${root}/savepoints`);
      savepoint = taken.url;
      savepoints.push(taken.round);
    }
    await service.stop();
    const restores: RestoreRound[] = [];
    for (let round = 0; round < rounds; round += 1) {
      restores.push(await restored(savepoint, options));
    }
    return { savepoints, restores };
  } finally {
    await service.stop();
    fs.rmSync(root, { recursive: true });
  }
}

/** `tidemark run -s`, in a process of its own. */
async function restored(savepoint: string, options: Options): Promise<RestoreRound> {
  const startedMs = Date.now();
  const job = new BenchJob({
    ...options,
    // The state is there: the source of the fill has ended in it.
    rate: RATE,
    savepoint,
    settings: settingsFor(options.parallelism),
  });
  const firstMs = await job.until(
    'correct read',
    () => job.probe.lines().find(({ ok }) => ok)?.sinkMs,
  );
  const verifiedMs = await job.until(
    'verified state',
    () => job.events.find(({ kind }) => kind === 'restored')?.atMs,
  );
  const lines = job.probe.lines();
  await job.close();
  const until = lines.filter(({ sinkMs }) => sinkMs <= verifiedMs);
  return {
    firstCorrectReadMs: firstMs - startedMs,
    wrongReads: lines.filter(({ ok }) => !ok).length,
    allVerifiedMs: verifiedMs - startedMs,
    readsPerSecondUntilVerified: until.length / Math.max(0.001, (verifiedMs - firstMs) / 1000),
  };
}

/** @param args What stands behind `savepoint` on the command line. */
export async function savepointMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keys: { type: 'string', default: '1000000' },
      'value-bytes': { type: 'string', default: '500' },
      rounds: { type: 'string', default: '3' },
      parallelism: { type: 'string', default: '2' },
      json: { type: 'boolean', default: false },
    },
  });
  const options = {
    keys: Number(values.keys),
    valueBytes: Number(values['value-bytes']),
    parallelism: Number(values.parallelism),
  };
  const rounds = Number(values.rounds);
  if (!(options.keys > 0) || !(options.valueBytes > 0) || !(rounds > 0)) fail('counts are above 0');
  const result = await measure(options, rounds);
  if (values.json) {
    console.log(JSON.stringify({ benchmark: 'savepoint', ...options, ...result }));
    return;
  }
  for (const each of result.savepoints) console.log('savepoint', JSON.stringify(each));
  for (const each of result.restores) console.log('restore  ', JSON.stringify(each));
}
