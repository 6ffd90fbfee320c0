/*
 * Goal: a seed is a run, whatever the machine does.
 * Method: one workload is run twice and its traces compared line by line, while the machine is kept
 * busy in between, and once more in another process.
 */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { workload } from './determinism-workload.ts';

describe('a seed is a run', () => {
  it.each(['1', '2', '3'])('has the same trace twice, seed %s', async (seed) => {
    const first = await workload(seed, true);
    const second = await workload(seed, true);
    expect(second.log()).toEqual(first.log());
    expect(second.traceHash()).toBe(first.traceHash());
    expect(first.log().length).toBeGreaterThan(500);
  });

  it('has the same trace whether the log is kept or not, and another with another seed', async () => {
    const hash = (await workload('1', true)).traceHash();
    expect((await workload('1')).traceHash()).toBe(hash);
    expect((await workload('2')).traceHash()).not.toBe(hash);
  });

  it('has the same trace in another process', async () => {
    const module = new URL('determinism-workload.ts', import.meta.url).href;
    const script = `
      import { workload } from ${JSON.stringify(module)};
      console.log((await workload('1')).traceHash());`;
    const arguments_ = ['--input-type=module', '--eval', script];
    const output = execFileSync(process.execPath, arguments_, { encoding: 'utf8' });
    expect(output.trim()).toBe((await workload('1')).traceHash());
  });
});
