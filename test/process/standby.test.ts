/*
 * Goal: when the JobManager that leads dies, a standby goes on with its jobs at once; when it is frozen, once its
 * lease is over, and what the old one and its TaskManagers still do when they go on counts for nothing.
 * Output is seen once and stays.
 * Method: real services from dist/ with data folders of their own and one storage; a job counts at a fixed
 * rate into files. kill -9, SIGSTOP and SIGCONT. All conditions are waited for; times are printed only.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { startOf } from '../../src/service/process-identity.ts';
import { FinishedLines } from '../support/finished-lines.ts';
import { childrenOf, logged, ServiceCluster } from '../support/service-cluster.ts';
import type { NodeProcess } from '../support/tidemark-process.ts';

const TEST_MS = 180_000;

/** What `service start` and `service status` answer. */
interface Started {
  readonly pid: number;
  readonly role: string;
  readonly folder: string;
}
interface Status {
  readonly leader?: { readonly pid: number };
  readonly standbys?: readonly { readonly pid: number }[];
}

let cluster: ServiceCluster;

afterEach(async () => {
  await cluster.close();
});

/** Looks at the output all the time, until the job has written all of it. */
class Watch {
  readonly #lines: FinishedLines;
  #isOver = false;
  readonly #watching: Promise<string[]>;

  constructor({ output, expected }: { readonly output: string; readonly expected: string[] }) {
    this.#lines = new FinishedLines(output, expected);
    this.#watching = this.#watch();
  }

  /** Resolves with what was wrong when everything is there, or something is wrong. */
  get whole(): Promise<string[]> {
    return this.#watching;
  }

  stop(): void {
    this.#isOver = true;
  }

  async #watch(): Promise<string[]> {
    for (;;) {
      const problems = this.#lines.look();
      if (problems.length > 0) return problems;
      if (this.#lines.missing().length === 0) return [];
      if (this.#isOver) return this.#lines.missing().map((line) => `missing ${line}`);
      await sleep(systemClock, 20);
    }
  }
}

async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const seen = look();
    if (seen !== undefined) return seen;
    await sleep(systemClock, 2);
  }
}

const completed = (service: NodeProcess): number => service.count('checkpoint-completed');

async function moreCheckpoints(service: NodeProcess, more = 3): Promise<void> {
  const before = completed(service);
  await service.until(() => completed(service) >= before + more);
}

/** When the job processed its first element after a moment. */
function firstAfter(atMs: number): Promise<number> {
  return until(() => {
    const later = cluster.firsts().filter((first) => first.atMs > atMs);
    return later.length === 0 ? undefined : Math.min(...later.map((first) => first.atMs));
  });
}

describe('a standby', () => {
  it(
    'goes on with the job when the leader is killed, again and again',
    async ({ annotate }) => {
      cluster = new ServiceCluster({ count: 30_000, rate: 2_000 });
      let leader = cluster.start('a');
      await logged(leader, 'service-running');
      let standby = cluster.start('b');
      await logged(standby, 'service-stands-by');
      const submitted = await cluster.submit('a');
      expect(submitted.code, submitted.stderr).toBe(0);
      const watch = new Watch({ output: cluster.output, expected: cluster.expected() });
      const times: number[] = [];
      for (const name of ['a', 'b', 'a']) {
        await moreCheckpoints(leader);
        const tasks = childrenOf(leader.pid);
        const killedMs = Date.now();
        await leader.kill('SIGKILL');
        times.push((await firstAfter(killedMs)) - killedMs);
        const { epoch } = await logged(standby, 'service-leads');
        expect(epoch).toBe(times.length + 1);
        // Nothing of the old one is left to write anything.
        await until(() => tasks.every((pid) => startOf(pid) === undefined) || undefined);
        await logged(standby, 'service-running');
        // Whoever asked the one that is gone finds the one that leads.
        const listed = await cluster.run(name, 'list');
        expect(listed.stdout, listed.stderr).toContain('steady');
        leader = standby;
        standby = cluster.start(name);
        await logged(standby, 'service-stands-by');
      }
      await annotate(`from kill -9 to the next element: ${times.join(', ')} ms`);
      let status: Status;
      do {
        const { stdout } = await cluster.run('a', 'service', 'status', '--json');
        status = JSON.parse(stdout) as Status;
      } while (status.standbys?.[0]?.pid !== standby.pid);
      expect(status.leader).toMatchObject({ pid: leader.pid, epoch: 4 });
      expect(await watch.whole).toEqual([]);
      await standby.kill('SIGTERM');
      expect((await leader.kill('SIGTERM')).code).toBe(0);
    },
    TEST_MS,
  );

  it.each([
    ['alone', false],
    ['with its TaskManagers, which go on first', true],
  ])(
    'takes over from a leader that is frozen %s, and that one steps down when it goes on',
    async (_, withTasks) => {
      cluster = new ServiceCluster({ count: 24_000, rate: 2_000, leaseMs: 8_000 });
      const old = cluster.start('a');
      const { address } = await logged(old, 'service-running');
      // It wants the very port that the frozen one keeps.
      const port = new URL(String(address)).port;
      const standby = cluster.start('b', { 'rest.port': port });
      await logged(standby, 'service-stands-by');
      const submitted = await cluster.submit('a');
      expect(submitted.code, submitted.stderr).toBe(0);
      const watch = new Watch({ output: cluster.output, expected: cluster.expected() });
      await moreCheckpoints(old);
      const tasks = childrenOf(old.pid);
      const frozen = withTasks ? [old.pid, ...tasks] : [old.pid];
      for (const pid of frozen) process.kill(pid, 'SIGSTOP');
      const frozenMs = Date.now();
      await logged(standby, 'service-leads');
      await firstAfter(frozenMs);
      await moreCheckpoints(standby);
      // The old one's tasks go on beside the new ones, and nobody counts what they do.
      for (const pid of frozen.slice(1)) process.kill(pid, 'SIGCONT');
      await moreCheckpoints(standby, 5);
      expect(tasks.some((pid) => startOf(pid) !== undefined)).toBe(true);
      expect(standby.count('service-running')).toBe(0);
      process.kill(old.pid, 'SIGCONT');
      const { code, stderr } = await old.ended;
      expect(code, stderr).toBe(75);
      expect(stderr).toContain('JOB-052');
      expect((await logged(standby, 'service-running'))['address']).toBe(address);
      await until(() => tasks.every((pid) => startOf(pid) === undefined) || undefined);
      expect(await watch.whole).toEqual([]);
      expect(standby.count('failure')).toBe(0);
      await standby.kill('SIGTERM');
    },
    TEST_MS,
  );

  it(
    'finds the service of its user by itself, and takes the place of it',
    async () => {
      cluster = new ServiceCluster({ count: 1, rate: 1 });
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
    },
    TEST_MS,
  );

  it(
    'leads at once when the leader is stopped in good order, and one that is not to stand by is refused',
    async () => {
      cluster = new ServiceCluster({ count: 8_000, rate: 2_000 });
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
      await cluster.submit('a');
      const watch = new Watch({ output: cluster.output, expected: cluster.expected() });
      await moreCheckpoints(first);
      expect((await first.kill('SIGTERM')).code).toBe(0);
      await logged(second, 'service-running');
      expect(await watch.whole).toEqual([]);
      await second.kill('SIGTERM');
    },
    TEST_MS,
  );
});
