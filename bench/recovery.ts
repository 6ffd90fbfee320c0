/**
 * Recovery: how long a job stands still. The real command with small state; from `kill -9` of the
 * TaskManager, with one that stands by, and from a thrown user function, to the next record at the
 * sink. The time in which nobody knows of the failure yet is included.
 *
 * Usage: `npm run bench -- recovery [--rounds N] [--parallelism N]`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../src/common/clock.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const SETTINGS = {
  'execution.checkpointing.interval': '100ms',
  'execution.checkpointing.min-pause': '0',
  'restart-strategy.type': 'fixed-delay',
  'restart-strategy.fixed-delay.attempts': '100000',
  'restart-strategy.fixed-delay.delay': '0ms',
};

/** The command, and what it last printed. */
class Job {
  /** When the first record came, from the start of the process. */
  firstMs: number | undefined;
  /** Process that the newest record comes from. */
  pid = 0;
  lastMs = 0;
  spares = 0;
  checkpoints = 0;
  /** How often all tasks were gone, and whether a record has come since. */
  restarts = 0;
  runs = false;
  lastWallMs = 0;
  readonly child: ChildProcess;

  constructor(folder: string, parallelism: number) {
    const settings = { ...SETTINGS, 'execution.checkpointing.dir': `${folder}/checkpoints` };
    const startedMs = systemClock.monotonicMs();
    const child = spawn(
      process.execPath,
      [
        ...[`${ROOT}/bin/tidemark.mjs`, 'run', 'bench/jobs/recovery-job.ts', '--json', '--fresh'],
        ...['-p', String(parallelism)],
        ...Object.entries(settings).flatMap(([key, value]) => ['-D', `${key}=${value}`]),
        ...['--', '--trouble', `${folder}/trouble`],
      ],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const nowMs = systemClock.monotonicMs();
      const record = /\{"pid":(\d+)/.exec(line);
      if (record !== null) {
        this.firstMs ??= nowMs - startedMs;
        this.pid = Number(record[1]);
        this.lastMs = nowMs;
        this.lastWallMs = systemClock.wallMs();
        this.runs = true;
        return;
      }
      if (!line.startsWith('{"kind"')) return;
      if (line.includes('"checkpoint-completed"')) this.checkpoints += 1;
      if (line.includes('"RESTARTING"')) {
        this.restarts += 1;
        this.runs = false;
      }
      if (line.includes('"registered"') && line.includes('"spare":true')) this.spares += 1;
    });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await sleep(systemClock, 1);
  }
}

export async function recoveryMain(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '10' },
      parallelism: { type: 'string', default: '2' },
    },
  });
  const rounds = Number(values.rounds);
  const folder = mkdtempSync(path.join(tmpdir(), 'tidemark-recovery-'));
  const job = new Job(folder, Number(values.parallelism));
  try {
    await job.until(() => job.firstMs !== undefined);
    console.log(`first record after ${(job.firstMs ?? 0).toFixed(0)} ms`);
    print('kill -9', await kills(job, rounds));
    print('thrown ', await throws(job, folder, rounds));
  } finally {
    job.child.kill('SIGINT');
    await new Promise((resolve) => job.child.on('exit', resolve));
    rmSync(folder, { recursive: true });
  }
}

async function kills(job: Job, rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const { checkpoints } = job;
    await job.until(() => job.spares >= round && job.checkpoints > checkpoints);
    const { pid } = job;
    const killedMs = systemClock.monotonicMs();
    process.kill(pid, 'SIGKILL');
    await job.until(() => job.pid !== pid);
    times.push(job.lastMs - killedMs);
  }
  return times;
}

async function throws(job: Job, folder: string, rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const { checkpoints, restarts } = job;
    await job.until(() => job.checkpoints > checkpoints + 2);
    rmSync(`${folder}/trouble.seen`, { force: true });
    writeFileSync(`${folder}/trouble`, '');
    await job.until(() => job.restarts > restarts && job.runs);
    rmSync(`${folder}/trouble`);
    times.push(job.lastWallMs - Number(readFileSync(`${folder}/trouble.seen`, 'utf8')));
  }
  return times;
}

function print(what: string, times: readonly number[]): void {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0);
  console.log(
    `${what}: median ${at(0.5)} ms, least ${at(0)}, most ${at(1)}; ${times.length} rounds`,
  );
}
