/**
 * Delta: what a checkpoint writes when few keys were touched since the one before, as a share of a
 * full one. The first delta is only what was touched; later ones rewrite some of the older runs too
 * (docs/decisions/0004-rolling-rewrite.md), so the mean over many is what a job pays.
 *
 * Usage: `npm run bench -- delta [--keys N] [--touched SHARE] [--checkpoints N] [--json]`.
 */
import { parseArgs } from 'node:util';
import { keyHash } from '../src/common/key-hash.ts';
import { backend, counter, snapshotOnce } from './counter-state.ts';

export interface DeltaOptions {
  readonly keys: number;
  /** Share of the keys that are touched between two checkpoints, evenly spread. */
  readonly touched: number;
  readonly checkpoints: number;
}

export interface DeltaResult extends DeltaOptions {
  readonly benchmark: 'delta';
  readonly fullBytes: number;
  readonly fullMs: number;
  readonly firstDeltaBytes: number;
  readonly firstDeltaMs: number;
  /** Of a full one. */
  readonly firstShare: number;
  readonly meanShare: number;
  readonly maxShare: number;
}

export async function runDelta(options: DeltaOptions): Promise<DeltaResult> {
  const { keys, touched, checkpoints } = options;
  const of = backend();
  const state = counter(of);
  const touch = (key: number): void => {
    of.setCurrentKey(key, keyHash(key));
    state.update((state.value() ?? 0) + 1);
  };
  for (let key = 0; key < keys; key++) touch(key);
  const full = await snapshotOnce(of, 1);
  let x = 1;
  const deltas: { readonly bytes: number; readonly ms: number }[] = [];
  for (let id = 2; id <= checkpoints + 1; id++) {
    for (let i = 0; i < keys * touched; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) | 0;
      touch((x >>> 8) % keys);
    }
    const { writtenBytes, barrierMs, drainMs } = await snapshotOnce(of, id);
    deltas.push({ bytes: writtenBytes, ms: barrierMs + drainMs });
  }
  const shares = deltas.map(({ bytes }) => bytes / full.writtenBytes);
  const [first = { bytes: 0, ms: 0 }] = deltas;
  return {
    benchmark: 'delta',
    ...options,
    fullBytes: full.writtenBytes,
    fullMs: full.barrierMs + full.drainMs,
    firstDeltaBytes: first.bytes,
    firstDeltaMs: first.ms,
    firstShare: shares[0] ?? 0,
    meanShare: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    maxShare: Math.max(...shares),
  };
}

/** @param args What stands behind `delta` on the command line. */
export async function deltaMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      keys: { type: 'string', default: '1000000' },
      touched: { type: 'string', default: '0.01' },
      checkpoints: { type: 'string', default: '300' },
      json: { type: 'boolean', default: false },
    },
  });
  const result = await runDelta({
    keys: Number(values.keys),
    touched: Number(values.touched),
    checkpoints: Number(values.checkpoints),
  });
  if (values.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  console.log(`full         ${megabytes(result.fullBytes)}, ${result.fullMs.toFixed(0)} ms`);
  console.log(
    `first delta  ${megabytes(result.firstDeltaBytes)}, ${result.firstDeltaMs.toFixed(0)} ms, ${percent(result.firstShare)} of full`,
  );
  console.log(
    `${result.checkpoints} deltas   ${percent(result.meanShare)} of full in the mean, ${percent(result.maxShare)} at most`,
  );
}
