/**
 * A Flink cluster of a JobManager and a TaskManager of two slots on this machine, with the hashmap
 * backend and checkpoints to files, on which the benchmark's job runs again and again.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sleep, systemClock } from '../../src/common/clock.ts';
import {
  type FlinkInstallation,
  type FlinkJob,
  installFlink,
  writeConfiguration,
} from './install.ts';
import { BenchError } from './run.ts';

const SLOTS = 2;
const START_MS_MAX = 60_000;
const POLL_MS = 200;
/** Until the compiler of the JVM has seen enough of a job. */
const WARM_UP_MS = 8_000;
/** The JVM reads its time of the CPU in these. */
const TICKS_PER_SECOND = 100;
const JAVA_OPENS = ['java.base/java.util', 'java.base/java.lang', 'java.base/java.time'];

export interface FlinkRound {
  readonly recordsPerSecond: number;
  /** By the CPU time of the TaskManager; undefined where the system does not tell. */
  readonly recordsPerCpuSecond: number | undefined;
}

export class FlinkCluster {
  readonly version: string;
  readonly #installation: FlinkInstallation;
  readonly #folder: string;
  readonly #url: string;
  readonly #taskManager: ChildProcess;
  readonly #processes: readonly ChildProcess[];
  #jarId = '';

  private constructor(
    installation: FlinkInstallation,
    folder: string,
    url: string,
    processes: readonly [ChildProcess, ChildProcess],
  ) {
    this.version = installation.version;
    this.#installation = installation;
    this.#folder = folder;
    this.#url = url;
    this.#processes = processes;
    this.#taskManager = processes[1];
  }

  static async launch(job: FlinkJob): Promise<FlinkCluster> {
    const installation = await installFlink(job);
    const folder = await mkdtemp(path.join(tmpdir(), 'flink-'));
    const [rest, rpc] = [await freePort(), await freePort()];
    const conf = path.join(folder, 'conf');
    await writeConfiguration(installation.home, conf, {
      'env.java.opts.all': JAVA_OPENS.map((name) => `--add-opens=${name}=ALL-UNNAMED`).join(' '),
      'jobmanager.rpc.address': '127.0.0.1',
      'jobmanager.rpc.port': String(rpc),
      'jobmanager.bind-host': '127.0.0.1',
      'jobmanager.memory.process.size': '1600m',
      'taskmanager.host': '127.0.0.1',
      'taskmanager.bind-host': '127.0.0.1',
      'taskmanager.memory.process.size': '4g',
      'taskmanager.numberOfTaskSlots': String(SLOTS),
      'rest.address': '127.0.0.1',
      'rest.bind-address': '127.0.0.1',
      'rest.port': String(rest),
      'rest.bind-port': `'${rest}'`,
      'web.upload.dir': path.join(folder, 'upload'),
      'io.tmp.dirs': path.join(folder, 'tmp'),
      'state.backend.type': 'hashmap',
      'execution.checkpointing.dir': `file://${folder}/checkpoints`,
    });
    await mkdir(path.join(folder, 'tmp'));
    const start = (script: string) => startProcess(installation.home, script, folder, conf);
    const processes = [start('jobmanager'), start('taskmanager')] as const;
    const cluster = new FlinkCluster(installation, folder, `http://127.0.0.1:${rest}`, processes);
    process.once('exit', cluster.#kill);
    try {
      await cluster.#ready();
      cluster.#jarId = await cluster.#uploadJob();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Runs the job anew, and measures it once it is warm. */
  async measure(options: {
    readonly keys: number;
    readonly parallelism: number;
    readonly seconds: number;
  }): Promise<FlinkRound> {
    const { keys, parallelism, seconds } = options;
    const progress = await mkdtemp(path.join(this.#folder, 'progress-'));
    const jobId = await this.start(
      this.#installation.mainClass,
      [String(keys), progress],
      parallelism,
    );
    await sleep(systemClock, WARM_UP_MS);
    const fromMs = Date.now();
    const fromTicks = await this.#ticks();
    await sleep(systemClock, seconds * 1_000);
    const untilMs = Date.now();
    const untilTicks = await this.#ticks();
    const recordsPerSecond = await rateOf(progress, fromMs, untilMs);
    await this.cancel(jobId);
    const cpuSeconds = (untilTicks - fromTicks) / TICKS_PER_SECOND;
    const records = recordsPerSecond * ((untilMs - fromMs) / 1_000);
    return {
      recordsPerSecond,
      recordsPerCpuSecond: cpuSeconds > 0 ? records / cpuSeconds : undefined,
    };
  }

  /** Starts a job of the installed jar; returns its id. */
  async start(entryClass: string, args: readonly string[], parallelism: number): Promise<string> {
    const { jobid } = await this.#call<{ jobid: string }>('POST', `/jars/${this.#jarId}/run`, {
      entryClass,
      programArgsList: args,
      parallelism,
    });
    return jobid;
  }

  async stop(): Promise<void> {
    process.off('exit', this.#kill);
    const gone = this.#processes.map(
      (child) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) resolve();
          else child.once('exit', () => resolve());
        }),
    );
    this.#kill();
    await Promise.all(gone);
    await rm(this.#folder, { recursive: true, force: true });
  }

  readonly #kill = (): void => {
    for (const child of this.#processes) child.kill('SIGKILL');
  };

  async #ready(): Promise<void> {
    const endMs = performance.now() + START_MS_MAX;
    while (performance.now() < endMs) {
      const overview = await this.#call<{ 'slots-available': number }>('GET', '/overview').catch(
        () => undefined,
      );
      if ((overview?.['slots-available'] ?? 0) >= SLOTS) return;
      await sleep(systemClock, POLL_MS);
    }
    throw new BenchError(`Flink does not start; its logs are in ${this.#folder}`);
  }

  async #uploadJob(): Promise<string> {
    const form = new FormData();
    form.append(
      'jarfile',
      new Blob([await readFile(this.#installation.jar)]),
      path.basename(this.#installation.jar),
    );
    const response = await fetch(`${this.#url}/jars/upload`, { method: 'POST', body: form });
    const { filename } = (await response.json()) as { filename: string };
    return path.basename(filename);
  }

  async cancel(jobId: string): Promise<void> {
    await this.#call('PATCH', `/jobs/${jobId}?mode=cancel`);
    for (;;) {
      const { state } = await this.#call<{ state: string }>('GET', `/jobs/${jobId}`);
      if (state === 'CANCELED') return;
      if (state === 'FAILED') throw new BenchError(`the Flink job failed; see ${this.#folder}`);
      await sleep(systemClock, POLL_MS);
    }
  }

  async #call<T>(method: string, where: string, body?: object): Promise<T> {
    const response = await fetch(`${this.#url}${where}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new BenchError(`Flink answers ${method} ${where} with ${text}`);
    return JSON.parse(text === '' ? '{}' : text) as T;
  }

  /** CPU time of the TaskManager so far. */
  async #ticks(): Promise<number> {
    try {
      const text = await readFile(`/proc/${this.#taskManager.pid ?? 0}/stat`, 'utf8');
      // Behind the name, which may hold anything; user and system time are words 14 and 15 of all.
      const words = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return Number(words[11]) + Number(words[12]);
    } catch {
      return 0;
    }
  }
}

function startProcess(home: string, name: string, folder: string, conf: string): ChildProcess {
  const script = path.join(home, 'bin', `${name}.sh`);
  const child = spawn(script, ['start-foreground'], {
    env: { ...process.env, FLINK_CONF_DIR: conf, FLINK_LOG_DIR: folder, FLINK_PID_DIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(path.join(folder, `${name}.log`));
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  return child;
}

/** Records per second of all subtasks, by the lines that they wrote within the time. */
async function rateOf(folder: string, fromMs: number, untilMs: number): Promise<number> {
  let rate = 0;
  for (const name of await readdir(folder)) {
    const lines = (await readFile(path.join(folder, name), 'utf8')).trim().split('\n');
    const samples = lines
      .map((line) => line.split(' ').map(Number))
      .filter(([ms = 0]) => ms >= fromMs && ms <= untilMs);
    const [firstMs = 0, first = 0] = samples[0] ?? [];
    const [lastMs = 0, last = 0] = samples.at(-1) ?? [];
    if (lastMs > firstMs) rate += ((last - first) / (lastMs - firstMs)) * 1_000;
  }
  return rate;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
