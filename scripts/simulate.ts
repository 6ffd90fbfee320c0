// Runs small jobs in the simulator, with faults that a seed draws: see docs/internals/simulation.md.
//
//   SEED=42 npm run simulate             one run, with its story and its log
//   npm run simulate -- --runs 200       many runs with new seeds; prints how to replay what fails
//   npm run simulate -- --job windows    only jobs whose name contains the text
//   npm run simulate -- --cluster        with a JobManager, TaskManagers and a network
//   npm run simulate -- --standby        two JobManagers with their jobs, of which one leads
//   npm run simulate -- --leaders        JobManagers that compete over a storage that loses and delays

import { parseArgs } from 'node:util';
import { randomHex, systemRandom } from '../src/common/random.ts';
import { TOPOLOGIES } from '../test/simulation/jobs/index.ts';
import { leadershipRun } from '../test/simulation/jobs/leadership-run.ts';
import { randomRun, type RandomRunOptions } from '../test/simulation/jobs/random-run.ts';
import { standbyRun } from '../test/simulation/jobs/standby-run.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    job: { type: 'string' },
    cluster: { type: 'boolean', default: false },
    standby: { type: 'boolean', default: false },
    leaders: { type: 'boolean', default: false },
    log: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

const seed = process.env.SEED;
process.exitCode = seed === undefined ? await runMany(Number(values.runs)) : await replay(seed);

/** The seed alone draws the job, unless one is named. */
function given(name: string): RandomRunOptions {
  const wanted = values.job;
  const { cluster } = values;
  if (wanted === undefined) return { seed: name, cluster };
  const topology = TOPOLOGIES.find((each) => each.name.includes(wanted));
  if (topology !== undefined) return { seed: name, topology, cluster };
  console.error(`There is no job like '${wanted}'. There are:`);
  for (const each of TOPOLOGIES) console.error(`  ${each.name}`);
  process.exit(2);
}

/** One run; returns what it tells of itself. */
async function oneRun(name: string, log?: (line: string) => void): Promise<readonly string[]> {
  const options = { seed: name, ...(log && { log }) };
  if (values.standby) return (await standbyRun(options)).story;
  if (values.leaders) return (await leadershipRun(options)).story;
  const run = await randomRun({ ...given(name), ...(log && { log }) });
  return [
    `${run.topology.name}: right in the end`,
    ...run.story,
    `trace ${run.machine.simulation.traceHash()}`,
  ];
}

async function replay(name: string): Promise<number> {
  const log = values.log ? (line: string) => console.log(line) : undefined;
  try {
    for (const line of await oneRun(name, log)) console.log(`  ${line}`);
    return 0;
  } catch (error) {
    console.error(error);
    return 1;
  }
}

async function runMany(runs: number): Promise<number> {
  const base = randomHex(systemRandom, 8);
  let failed = 0;
  for (let i = 0; i < runs; i += 1) {
    const name = `${base}-${i}`;
    try {
      await oneRun(name);
    } catch (error) {
      failed += 1;
      const job = values.job === undefined ? '' : ` --job '${values.job}'`;
      const kinds = ['cluster', 'standby', 'leaders'] as const;
      const kind = kinds.find((each) => values[each]);
      const what = `${kind === undefined ? '' : ` --${kind}`}${job}`;
      console.error(error instanceof Error ? error.message : error);
      console.error(
        `\n  Replay: SEED=${name} npm run simulate${what === '' ? '' : ` --${what}`}\n`,
      );
    }
  }
  console.log(`${runs} runs, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}
