/*
 * Goal: when the JobManager that leads dies, a standby goes on with its jobs at once; when it is frozen, once its
 * lease is over, and what the old one and its TaskManagers still do when they go on counts for nothing.
 * Output is seen once and stays.
 * Method: real services from dist/ with data folders of their own and one storage; a job counts at a fixed
 * rate into files. kill -9, SIGSTOP and SIGCONT. All conditions are waited for; times are printed only.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { logged, ServiceCluster } from '../support/service-cluster.ts';
import {
  freezeLeader,
  killLeaders,
  moreCheckpoints,
  OutputWatch,
  RATE,
  submitted,
  type Status,
} from '../support/takeover.ts';

/** What `service start` answers. */
interface Started {
  readonly pid: number;
  readonly role: string;
  readonly folder: string;
}

let cluster: ServiceCluster;

afterEach(async () => {
  await cluster.close();
});

describe('a standby', () => {
  it('goes on with the job when the leader is killed, again and again', async ({ annotate }) => {
    cluster = new ServiceCluster({ rate: RATE });
    const times = await killLeaders(cluster);
    await annotate(`from kill -9 to the next element: ${times.join(', ')} ms`);
  });

  it.each([
    ['alone', false],
    ['with its TaskManagers, which go on first', true],
  ])(
    'takes over from a leader that is frozen %s, and that one steps down when it goes on',
    async (_, withTasks) => {
      // The one that takes over must keep it, though it gets little time.
      cluster = new ServiceCluster({ rate: RATE, leaseMs: 15_000 });
      await freezeLeader(cluster, withTasks);
    },
  );

  it('finds the service of its user by itself, and takes the place of it', async () => {
    cluster = new ServiceCluster({ rate: RATE });
    const start = async (...more: string[]): Promise<Started> => {
      const run = await service('start', ...more, '-D', 'rest.port=0');
      expect(run.code, run.stderr).toBe(0);
      return JSON.parse(run.stdout) as Started;
    };
    const service = (...args: string[]) => cluster.run('home', 'service', ...args, '--json');
    const status = async () => JSON.parse((await service('status')).stdout) as Status;
    const first = await start();
    expect(first.role).toBe('leading');
    const second = await start('--standby');
    expect(second).toMatchObject({ role: 'standby', folder: `${cluster.data('home')}/standby` });
    // It is told by the storage, and who started it waits for that a while only.
    while ((await status()).standbys?.length !== 1) await sleep(systemClock, 20);
    expect(await status()).toMatchObject({
      leader: { pid: first.pid },
      standbys: [{ pid: second.pid }],
    });
    process.kill(first.pid, 'SIGKILL');
    while ((await status()).leader?.pid !== second.pid) await sleep(systemClock, 20);
    // In the folder that is free now.
    const third = await start('--standby');
    expect(third).toMatchObject({ role: 'standby', folder: cluster.data('home') });
    expect((await service('stop')).code).toBe(0);
    expect((await service('stop', '--data', second.folder)).code).toBe(0);
    expect((await status()).leader).toBeUndefined();
  });

  it('leads at once when the leader is stopped in good order, and one that is not to stand by is refused', async () => {
    cluster = new ServiceCluster({ rate: RATE });
    const first = cluster.start('a');
    await logged(first, 'service-running');
    const refused = await cluster.run(
      'c',
      ...['service', 'start', '-D', `high-availability.storageDir=${cluster.root}/ha`],
    );
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('JOB-051');
    const second = cluster.start('b');
    await logged(second, 'service-stands-by');
    await submitted(cluster, 'a');
    const watch = new OutputWatch(cluster);
    await moreCheckpoints(first);
    expect((await first.kill('SIGTERM')).code).toBe(0);
    await logged(second, 'service-running');
    await moreCheckpoints(second);
    await watch.expectWhole('b');
    await second.kill('SIGTERM');
  });
});
