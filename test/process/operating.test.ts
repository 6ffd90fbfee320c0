/*
 * Goal: a running job is upgraded, forked, read and stopped by commands, and whatever dies meanwhile its output has
 * each record exactly once.
 * Method: the real service from dist/ and the real commands; the job counts for ever, and after its stop the output must
 * be all numbers up to some number, each with the right count. The service is killed with an upgrade under way.
 * Replay: npm run test:process -- operating
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sleep, systemClock } from '../../src/common/clock.ts';
import { startOf } from '../../src/service/process-identity.ts';
import { finishedFiles } from '../support/finished-lines.ts';
import { removeFolder } from '../support/remove-folder.ts';
import {
  REPOSITORY,
  runTidemark,
  settings,
  startTidemark,
  type NodeProcess,
  type Run,
} from '../support/tidemark-process.ts';

const LOOK_MS = 20;
/** The broken version has to start and to fail within that, on a slow machine too. */
const WITHIN_S = 20;
const JOB = `${REPOSITORY}/test/process/jobs/versions.ts`;

let root: string;
let followers: NodeProcess[];

beforeEach(async () => {
  root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-operating-')));
  followers = [];
  await startService();
});

afterEach(async () => {
  for (const follower of followers) await follower.kill('SIGKILL');
  await run('service', 'stop');
  removeFolder(root);
});

const env = () => ({ TIDEMARK_HOME: `${root}/home` });

function run(...args: readonly string[]): Promise<Run> {
  return runTidemark(args, { cwd: root, env: env() });
}

function start(...args: readonly string[]): NodeProcess {
  const started = startTidemark(args, { cwd: root, env: env() });
  followers.push(started);
  return started;
}

async function expectCode(code: number, ended: Promise<Run>): Promise<string> {
  const run = await ended;
  expect(run.code, run.stderr + run.stdout).toBe(code);
  return run.stdout;
}

async function startService(): Promise<number> {
  const said = await expectCode(
    0,
    run('service', 'start', '--json', ...settings({ 'rest.bind-port': '0' })),
  );
  return (JSON.parse(said) as { readonly pid: number }).pid;
}

const ENGINE = settings({
  // With several sources it would be open which number of a key comes first.
  'parallelism.default': '1',
  'execution.checkpointing.interval': '200ms',
  'execution.checkpointing.min-pause': '0',
  'execution.checkpointing.savepoint-dir': 'savepoints',
  'execution.checkpointing.dir': 'checkpoints',
  'restart-strategy.type': 'fixed-delay',
  'restart-strategy.fixed-delay.attempts': '1000',
  'restart-strategy.fixed-delay.delay': '100ms',
});

/** What stands behind `--`. */
function job(version: string, out = 'out'): string[] {
  const own = { version, out: `${root}/${out}`, gate: `${root}/gate` };
  return ['--', ...Object.entries(own).flatMap(([name, value]) => [`--${name}`, value])];
}

interface Checkpoints {
  readonly jobId: string;
  readonly counts: { readonly completed: number };
}

async function untilCheckpoints(jobName: string, count: number): Promise<string> {
  for (;;) {
    const { code, stdout } = await run('checkpoints', jobName, '--json');
    if (code !== 0) continue;
    const { jobId, counts } = JSON.parse(stdout) as Checkpoints;
    if (counts.completed >= count) return jobId;
  }
}

async function runFirst(): Promise<string> {
  await expectCode(0, run('run', '-d', ...ENGINE, JOB, ...job('first')));
  return untilCheckpoints('versions', 2);
}

interface Line {
  readonly n: number;
  readonly seen: number;
  readonly version: string;
}

/** All lines of an output are those of a job that was never disturbed. */
function requireExact(out: string, from = 0): readonly string[] {
  const lines = finishedFiles(`${root}/${out}`)
    .flatMap((file) => fs.readFileSync(file, 'utf8').trimEnd().split('\n'))
    .map((line) => JSON.parse(line) as Line);
  lines.sort((a, b) => a.n - b.n);
  expect(lines.length).toBeGreaterThan(0);
  const first = from === 0 ? 0 : (lines[0]?.n ?? 0);
  for (const [at, { n, seen }] of lines.entries()) {
    if (n !== first + at || seen !== Math.floor(n / 7) + 1) {
      expect.fail(`${out}: at ${first + at} is ${n}, seen ${seen}`);
    }
  }
  return [...new Set(lines.map(({ version }) => version))];
}

function numbersIn(printed: string): number[] {
  return [...printed.matchAll(/first is at (\d+)/g)].map(([, n]) => Number(n));
}

it('an upgrade puts the new version in the place of the old one, and back if that is not well', async () => {
  const oldId = await runFirst();
  const upgrade = ['upgrade', ...ENGINE, JOB, 'versions'];
  const dry = await expectCode(0, run(...upgrade, '--dry-run', ...job('second')));
  expect(dry).toContain('Fits');
  const refused = await expectCode(6, run(...upgrade, ...job('other')));
  expect(refused).toContain('STA-002');
  expect(await untilCheckpoints('versions', 1)).toBe(oldId);

  const back = await expectCode(7, run(...upgrade, '--within', `${WITHIN_S}s`, ...job('broken')));
  const unwell = new RegExp(`not well: not well within ${WITHIN_S} s[^]*planned by the test`);
  expect(back).toMatch(unwell);
  expect(back).toMatch(/The old version runs again, as job [0-9a-f]{32}/);
  await untilCheckpoints('versions', 1);

  const said = await expectCode(0, run(...upgrade, '--json', ...job('second')));
  const { state } = JSON.parse(said) as {
    readonly state: { readonly kind: string; readonly jobId: string };
  };
  expect(state.kind).toBe('upgraded');
  expect(await untilCheckpoints('versions', 2)).toBe(state.jobId);
  await expectCode(0, run('stop', 'versions'));
  expect(requireExact('out')).toEqual(['first', 'second']);

  const over = await run(...upgrade, ...job('second'));
  expect(over.code).toBe(2);
  expect(over.stderr).toContain('JOB-061');
  const nobody = await run('upgrade', ...ENGINE, JOB, 'nobody', ...job('second'));
  expect(nobody.code).toBe(4);
});

it('an upgrade outlives its command, and a service that is killed goes on with it', async () => {
  const service = JSON.parse(await expectCode(0, run('service', 'status', '--json'))) as {
    readonly pid: number;
  };
  await runFirst();
  const command = start('upgrade', ...ENGINE, '--within', '2min', JOB, 'versions', ...job('late'));
  let said = '';
  // The new version has been started, and fails as long as the gate is closed.
  for (;;) {
    const { stdout } = await run('list', '-a');
    if (/versions \(FINISHED\)/.test(stdout) && /versions \(R/.test(stdout)) break;
  }
  const interrupted = await command.kill('SIGINT');
  expect(interrupted.code).toBe(130);
  const [attach = '', id = ''] =
    /tidemark upgrade --attach ([0-9a-f]{32})/.exec(interrupted.stderr) ?? [];
  expect(attach).not.toBe('');
  process.kill(service.pid, 'SIGKILL');
  // Until it is gone no other one may have its folder.
  while (startOf(service.pid) !== undefined) await sleep(systemClock, LOOK_MS);
  const follower = start('upgrade', '--attach', id);
  fs.writeFileSync(`${root}/gate`, '');
  await startService();
  const ended = await follower.ended;
  said = ended.stdout;
  if (ended.code !== 0) said = await expectCode(0, run('upgrade', '--attach', id));
  expect(said).toMatch(/Upgraded.*: the new version of versions is job/);
  await untilCheckpoints('versions', 1);
  await expectCode(0, run('stop', 'versions'));
  expect(requireExact('out')).toEqual(['first', 'late']);
});

it('a fork goes its own way, and logs are followed to the end of the job', async () => {
  const id = await runFirst();
  const logs = start('logs', '-f', '-n', '1', 'versions');
  const shared = await run('fork', '-d', ...ENGINE, 'versions', JOB, ...job('first'));
  const refusal = `${shared.stdout}${shared.stderr}${(await run('logs', 'versions-fork')).stdout}`;
  expect(refusal).toContain('Forking');
  for (;;) {
    const { stdout } = await run('status', 'versions-fork');
    if (!stdout.includes('FAILED')) continue;
    expect(stdout).toContain('FIL-060');
    break;
  }
  const forked = ['fork', '-d', ...ENGINE, '--name', 'drill', id, JOB, ...job('forked', 'fork')];
  expect(await expectCode(0, run(...forked))).toContain("Forking 'drill' from checkpoint");
  await untilCheckpoints('drill', 2);
  while (finishedFiles(`${root}/fork`).length === 0) await sleep(systemClock, LOOK_MS);
  await expectCode(0, run('cancel', 'drill'));
  expect(requireExact('fork', 1)).toEqual(['forked']);
  expect(await untilCheckpoints('versions', 3)).toBe(id);
  // It was started long ago, but may be slower than all others.
  await logs.until(() => numbersIn(logs.stdout).length > 1);
  await expectCode(0, run('stop', 'versions'));
  expect(requireExact('out')).toEqual(['first']);
  const printed = await expectCode(0, logs.ended);
  const numbers = numbersIn(printed);
  expect(numbers.length).toBeGreaterThan(1);
  // The job has printed each of them once, in order.
  expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + 100 * at));
  expect((await run('logs', 'nobody')).code).toBe(4);

  const usage = await expectCode(0, run('storage', ...ENGINE));
  expect(usage).toMatch(/versions .*stopped/);
  const none = await expectCode(0, run('savepoints', 'prune', '--dry-run', '--all', ...ENGINE));
  expect(none).toMatch(/keep +savepoint +versions/);
  expect(none).toContain('0 of');
});

it('without a service it is said how a job of the foreground is upgraded', async () => {
  await run('service', 'stop');
  const { code, stderr } = await run('upgrade', ...ENGINE, JOB, 'versions', ...job('second'));
  expect(code).toBe(3);
  expect(stderr).toMatch(/CLI-040[^]*tidemark upgrade check/);
});
