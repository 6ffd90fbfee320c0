/**
 * How long a job of a service stands still when the JobManager that leads is killed and a standby of the same
 * machine takes over: from kill -9 to the first element that a new task has processed. With real
 * processes, from `dist/`; the job counts by key into files, with checkpoints each 100 ms.
 *
 * Usage: `npm run bench -- failover [--rounds N] [--rate N] [--storage folder|s3|URL] [--json]`.
 *
 * The lease, the store of jobs and the checkpoints are in a folder of this machine; with `s3` on a server that is started for
 * it; with a URL there, as the variables of the environment say.
 */
import { fail } from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { makeBucket, s3Variables, startS3 } from '../scripts/services/s3.ts';
import { sleep, systemClock } from '../src/common/clock.ts';
import { logged, ServiceCluster, type ClusterStorage } from '../test/support/service-cluster.ts';

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
      storage: { type: 'string', default: 'folder' },
      json: { type: 'boolean', default: false },
    },
  });
  const rounds: Round[] = [];
  const { storage, stop } = await storageAt(values.storage);
  const cluster = new ServiceCluster({
    rate: Number(values.rate),
    ...(storage !== undefined && { storage }),
  });
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
    await stop();
  }
  const times = rounds.map(({ firstMs }) => firstMs).sort((a, b) => a - b);
  const medianMs = times[Math.floor(times.length / 2)];
  const result = {
    benchmark: 'failover',
    storage: values.storage,
    medianMs,
    worstMs: times.at(-1),
    rounds,
  };
  console.log(JSON.stringify(values.json ? result : { medianMs, worstMs: result.worstMs }));
}

/** Undefined for the folder of the cluster. */
async function storageAt(
  given: string,
): Promise<{ readonly storage: ClusterStorage | undefined; readonly stop: () => Promise<void> }> {
  if (given === 'folder') return { storage: undefined, stop: () => Promise.resolve() };
  if (given !== 's3') return { storage: { url: given, env: {} }, stop: () => Promise.resolve() };
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-s3-'));
  const server = await startS3({ folder });
  await makeBucket(server, 'failover');
  return {
    storage: { url: 's3://failover/cluster', env: s3Variables(server) },
    stop: async () => {
      await server.stop();
      fs.rmSync(folder, { recursive: true });
    },
  };
}

async function firstAfter(cluster: ServiceCluster, atMs: number): Promise<number> {
  for (;;) {
    const later = cluster.firsts().flatMap((first) => (first.atMs > atMs ? [first.atMs] : []));
    if (later.length > 0) return Math.min(...later);
    await sleep(systemClock, 2);
  }
}
