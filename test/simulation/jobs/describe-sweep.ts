/*
 * Planted once, and found by the sweep: barriers that are not aligned (by the bursts of several
 * splits); part files of the sink that are not synced before they are committed.
 */
import { describe, expect, it } from 'vitest';
import { blowAt, crashed, undisturbed, type SweepOptions } from './crash-sweep.ts';
import type { Topology } from './topology.ts';

const SEED = process.env.SEED ?? '1';

/** One test per topology: a crash at each of its write points. Prints how many there were. */
export function describeSweep(
  group: string,
  topologies: readonly Topology[],
  { keepCheckpoints = true }: Pick<SweepOptions, 'keepCheckpoints'> = {},
): void {
  describe(`${group}, SEED=${SEED}`, () => {
    const counted: number[] = [];
    it.each(topologies)('$name: a crash at each write point', async (topology) => {
      const options = { topology, seed: SEED, keepCheckpoints };
      const writePoints = await undisturbed(options);
      expect(writePoints).toBeGreaterThan(80);
      for (let at = 1; at <= writePoints; at += 1) await crashed(options, blowAt(SEED, at));
      counted.push(writePoints);
    });

    it('says how many', () => {
      const points = counted.reduce((sum, each) => sum + each, 0);
      process.stdout.write(`${group}: ${points} crash points of ${counted.length} jobs\n`);
      expect(counted).toHaveLength(topologies.length);
    });
  });
}
