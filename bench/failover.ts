/**
 * How long a job of a service stands still when the JobManager that leads is killed and a standby of the same
 * machine takes over: from kill -9 to the first element that a new task has processed. With real
 * processes, from `dist/`; the job counts by key into files, with checkpoints each 100 ms.
 *
 * Usage: `npm run bench -- failover [--rounds N] [--rate N] [--json]`.
 */
import { fail } from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../src/common/clock.ts';
import { logged, ServiceCluster } from '../test/support/service-cluster.ts';

interface Round {
  /** From the kill to the new leadership, to the start of the job, to the first element. */
  readonly leadsMs: number;
  readonly startsMs: number;
  readonly firstMs: number;
}

/** @param args What stands behind `failover` on the command line. */
export async function failoverMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      rate: { type: 'string', default: '2000' },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds: Round[] = [];
  const cluster = new ServiceCluster({ rate: Number(values.rate) });
  try {
    let leader = cluster.start('a');
    await logged(leader, 'service-running');
    let standby = cluster.start('b');
    await logged(standby, 'service-stands-by');
    const { code, stderr } = await cluster.submit('a');
    if (code !== 0) fail(stderr);
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const before = leader.count('checkpoint-completed');
      await leader.until(() => leader.count('checkpoint-completed') >= before + 10);
      await standby.until(() => standby.count('service-stands-by') > 0);
      // The standby has had the time to get ready, as in any service that has run for a while.
      await sleep(systemClock, 6_000);
      const killedMs = Date.now();
      await leader.kill('SIGKILL');
      const firstMs = (await firstAfter(cluster, killedMs)) - killedMs;
      const at = async (kind: string): Promise<number> =>
        Date.parse(String((await logged(standby, kind))['at'])) - killedMs;
      rounds.push({ leadsMs: await at('service-leads'), startsMs: await at('starting'), firstMs });
      if (!values.json) console.log(JSON.stringify(rounds.at(-1)));
      leader = standby;
      standby = cluster.start(round % 2 === 0 ? 'a' : 'b');
      await logged(standby, 'service-stands-by');
    }
  } finally {
    await cluster.close();
  }
  const times = rounds.map(({ firstMs }) => firstMs).sort((a, b) => a - b);
  const medianMs = times[Math.floor(times.length / 2)];
  const result = { benchmark: 'failover', medianMs, worstMs: times.at(-1), rounds };
  console.log(JSON.stringify(values.json ? result : { medianMs, worstMs: result.worstMs }));
}

async function firstAfter(cluster: ServiceCluster, atMs: number): Promise<number> {
  for (;;) {
    const later = cluster.firsts().flatMap((first) => (first.atMs > atMs ? [first.atMs] : []));
    if (later.length > 0) return Math.min(...later);
    await sleep(systemClock, 2);
  }
}
