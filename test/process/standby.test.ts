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
const RATE = 1_000;
/** More than a job can read in the time of a test. */
const ELEMENTS_MAX = (RATE * TEST_MS) / 1_000;

interface Count {
  readonly key: number;
  readonly count: number;
}

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

/** Looks at the output all the time: what is there is right, is there once, and stays. */
class Watch {
  readonly #lines: FinishedLines;
  #isOver = false;
  readonly #watching: Promise<string[]>;

  constructor(watched: ServiceCluster) {
    this.#lines = new FinishedLines(watched.output, watched.expected(ELEMENTS_MAX));
    this.#watching = this.#watch();
  }

  /** Once the job has ended in good order: what was wrong at any time, or is missing. */
  async ended(): Promise<string[]> {
    this.#isOver = true;
    const problems = await this.#watching;
    return [...problems, ...this.#gaps()];
  }

  async #watch(): Promise<string[]> {
    for (;;) {
      const isLast = this.#isOver;
      const problems = this.#lines.look();
      if (problems.length > 0 || isLast) return problems;
      await sleep(systemClock, 20);
    }
  }

  /** Of each key there are all counts up to some count, and there are some. */
  #gaps(): string[] {
    const first = new Map<number, number>();
    const missing = this.#lines.missing().map((line) => JSON.parse(line) as Count);
    for (const { key, count } of missing) {
      first.set(key, Math.min(first.get(key) ?? Infinity, count));
    }
    const last = Math.floor(ELEMENTS_MAX / first.size);
    const gaps = [...first].filter(
      ([key, from]) => missing.filter((line) => line.key === key).length !== last + 1 - from,
    );
    const none = [...first].filter(([, from]) => from === 1);
    return [
      ...gaps.map(([key]) => `a count of key ${key} is missing before others`),
      ...none.map(([key]) => `nothing of key ${key}`),
    ];
  }
}

/** Stops the job; all that it has read must be in its output, once. */
async function expectWhole(watch: Watch, name: string): Promise<void> {
  const stopped = await cluster.stop(name);
  expect(stopped.code, stopped.stderr).toBe(0);
  expect(await watch.ended()).toEqual([]);
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
      cluster = new ServiceCluster({ rate: RATE });
      let leader = cluster.start('a');
      await logged(leader, 'service-running');
      let standby = cluster.start('b');
      await logged(standby, 'service-stands-by');
      const submitted = await cluster.submit('a');
      expect(submitted.code, submitted.stderr).toBe(0);
      const watch = new Watch(cluster);
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
      await expectWhole(watch, 'a');
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
      cluster = new ServiceCluster({ rate: RATE, leaseMs: 8_000 });
      const old = cluster.start('a');
      const { address } = await logged(old, 'service-running');
      // It wants the very port that the frozen one keeps.
      const port = new URL(String(address)).port;
      const standby = cluster.start('b', { 'rest.port': port });
      await logged(standby, 'service-stands-by');
      const submitted = await cluster.submit('a');
      expect(submitted.code, submitted.stderr).toBe(0);
      const watch = new Watch(cluster);
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
      await expectWhole(watch, 'b');
      expect(standby.count('failure')).toBe(0);
      await standby.kill('SIGTERM');
    },
    TEST_MS,
  );

  it(
    'finds the service of its user by itself, and takes the place of it',
    async () => {
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
      const submitted = await cluster.submit('a');
      expect(submitted.code, submitted.stderr).toBe(0);
      const watch = new Watch(cluster);
      await moreCheckpoints(first);
      expect((await first.kill('SIGTERM')).code).toBe(0);
      await logged(second, 'service-running');
      await moreCheckpoints(second);
      await expectWhole(watch, 'b');
      await second.kill('SIGTERM');
    },
    TEST_MS,
  );
});
