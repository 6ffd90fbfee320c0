/** What becomes of a cluster's job when its leader dies or stands still: the same on every storage. */
import { expect } from 'vitest';
import { freePort } from '../../scripts/services/service.ts';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { startOf } from '../../src/service/process-identity.ts';
import { FinishedLines } from './finished-lines.ts';
import { childrenOf, logged, type ServiceCluster } from './service-cluster.ts';
import type { NodeProcess } from './tidemark-process.ts';

/** What `service status --json` answers. */
export interface Status {
  readonly leader?: { readonly pid: number; readonly epoch: number };
  readonly standbys?: readonly { readonly pid: number }[];
}

/** Elements in a second, of a job that is watched. */
export const RATE = 1_000;
/** More than it can read in the time of a test. */
const ELEMENTS_MAX = RATE * 600;

interface Count {
  readonly key: number;
  readonly count: number;
}

/** Looks at the output all the time: what is there is right, is there once, and stays. */
export class OutputWatch {
  readonly #cluster: ServiceCluster;
  readonly #lines: FinishedLines;
  #isOver = false;
  readonly #watching: Promise<string[]>;

  constructor(cluster: ServiceCluster) {
    this.#cluster = cluster;
    this.#lines = new FinishedLines(cluster.output, cluster.expected(ELEMENTS_MAX));
    this.#watching = this.#watch();
  }

  /** Stops the job, by a user of the cluster; all that it has read must be in its output, once. */
  async expectWhole(user: string): Promise<void> {
    const { code, stderr } = await this.#cluster.stop(user);
    expect(code, stderr).toBe(0);
    this.#isOver = true;
    const problems = await this.#watching;
    expect([...problems, ...this.#gaps()]).toEqual([]);
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

export async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const seen = look();
    if (seen !== undefined) return seen;
    await sleep(systemClock, 2);
  }
}

export async function moreCheckpoints(service: NodeProcess, more = 3): Promise<void> {
  const completed = (): number => service.count('checkpoint-completed');
  const before = completed();
  const has = await service.until(() => completed() >= before + more);
  if (has) return;
  const { code, stdout, stderr } = await service.ended;
  expect.fail(`the service ended (${String(code)}): ${stderr}${stdout.slice(-5_000)}`);
}

/** When the job processed its first element after a moment. */
export function firstAfter(cluster: ServiceCluster, atMs: number): Promise<number> {
  return until(() => {
    const later = cluster.firsts().filter((first) => first.atMs > atMs);
    return later.length === 0 ? undefined : Math.min(...later.map((first) => first.atMs));
  });
}

export async function submitted(cluster: ServiceCluster, name: string): Promise<void> {
  const { code, stderr } = await cluster.submit(name);
  expect(code, stderr).toBe(0);
}

/**
 * Three leaders die one after the other; the job goes on, and all of its output is written once.
 *
 * @returns from each kill to the next element
 */
export async function killLeaders(cluster: ServiceCluster): Promise<number[]> {
  let leader = cluster.start('a');
  await logged(leader, 'service-running');
  let standby = cluster.start('b');
  await logged(standby, 'service-stands-by');
  await submitted(cluster, 'a');
  const watch = new OutputWatch(cluster);
  const times: number[] = [];
  for (const name of ['a', 'b', 'a']) {
    await moreCheckpoints(leader);
    const tasks = childrenOf(leader.pid);
    const killedMs = systemClock.wallMs();
    await leader.kill('SIGKILL');
    times.push((await firstAfter(cluster, killedMs)) - killedMs);
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
  let status: Status;
  do {
    const { stdout } = await cluster.run('a', 'service', 'status', '--json');
    status = JSON.parse(stdout) as Status;
  } while (status.standbys?.[0]?.pid !== standby.pid);
  expect(status.leader).toMatchObject({ pid: leader.pid, epoch: 4 });
  await watch.expectWhole('a');
  await standby.kill('SIGTERM');
  expect((await leader.kill('SIGTERM')).code).toBe(0);
  return times;
}

/**
 * A leader stands still, a standby takes over, and the old one goes on: it steps down, and nothing that it and
 * its tasks do counts.
 *
 * @param withTasks Its TaskManagers stand still, too, and go on before it.
 */
export async function freezeLeader(cluster: ServiceCluster, withTasks: boolean): Promise<void> {
  // One that nobody else gets by chance while it is free for a moment.
  const port = String(await freePort());
  const old = cluster.start('a', { 'rest.port': port });
  const { address } = await logged(old, 'service-running');
  // It wants the very port that the frozen one keeps.
  const standby = cluster.start('b', { 'rest.port': port });
  await logged(standby, 'service-stands-by');
  await submitted(cluster, 'a');
  const watch = new OutputWatch(cluster);
  await moreCheckpoints(old);
  const tasks = childrenOf(old.pid);
  const frozen = withTasks ? [old.pid, ...tasks] : [old.pid];
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  const frozenMs = systemClock.wallMs();
  await logged(standby, 'service-leads');
  await firstAfter(cluster, frozenMs);
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
  await watch.expectWhole('b');
  expect(standby.count('failure')).toBe(0);
  await standby.kill('SIGTERM');
}
