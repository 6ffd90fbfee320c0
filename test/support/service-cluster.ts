/** Services of one cluster, as processes from dist/, with a job that counts at a fixed rate. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { removeFolder } from './remove-folder.ts';
import type { NodeProcess } from './tidemark-process.ts';
import { REPOSITORY, runTidemark, settings, startTidemark, type Run } from './tidemark-process.ts';

export interface ServiceClusterOptions {
  /** Elements of the job in a second. */
  readonly rate: number;
  /** How long a leader may stand still. Default: so long that no busy machine makes it. */
  readonly leaseMs?: number;
  /** Where the lease, the store of jobs and the checkpoints are. Default: a folder. */
  readonly storage?: ClusterStorage;
}

export interface ClusterStorage {
  /** Without a slash at its end. */
  readonly url: string;
  /** What services, commands and jobs need to get there. */
  readonly env: Readonly<Record<string, string>>;
}

const KEYS = 100;

export class ServiceCluster {
  readonly root: string;
  readonly output: string;
  readonly #options: ServiceClusterOptions;
  readonly #storage: ClusterStorage;
  readonly #services: NodeProcess[] = [];

  constructor(options: ServiceClusterOptions) {
    this.#options = options;
    this.root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tidemark-cluster-')));
    this.#storage = options.storage ?? { url: this.root, env: {} };
    this.output = path.join(this.root, 'out');
    fs.mkdirSync(path.join(this.root, 'probe'));
    fs.symlinkSync(`${REPOSITORY}/node_modules`, path.join(this.root, 'node_modules'));
    fs.copyFileSync(`${REPOSITORY}/test/process/jobs/steady.ts`, path.join(this.root, 'job.ts'));
  }

  /** A JobManager that leads or stands by, on a data folder of its own. */
  start(name: string, own: Readonly<Record<string, string>> = {}): NodeProcess {
    const { leaseMs = 20_000 } = this.#options;
    const service = startTidemark(
      [
        ...['service', 'run', '--standby', '--data', this.data(name)],
        ...settings({
          'high-availability.storageDir': `${this.#storage.url}/ha`,
          'rest.port': '0',
          // Who stands still for some seconds on a busy machine is not dead.
          'heartbeat.timeout': '60s',
          'tidemark.high-availability.lease-duration': String(leaseMs),
          'tidemark.high-availability.renew-deadline': String(leaseMs * 0.75),
          ...own,
        }),
      ],
      { cwd: this.root, env: this.#storage.env },
    );
    this.#services.push(service);
    return service;
  }

  data(name: string): string {
    return path.join(this.root, `data-${name}`);
  }

  /** A command of the user whose data folder this is. */
  run(name: string, ...args: string[]): Promise<Run> {
    const env = { ...this.#storage.env, TIDEMARK_HOME: this.data(name) };
    return runTidemark(args, { cwd: this.root, env });
  }

  /** Hands the job to whoever leads. */
  submit(name: string, parallelism = 2): Promise<Run> {
    return this.run(
      name,
      ...['run', '-d', 'job.ts'],
      ...settings({
        'execution.checkpointing.dir': `${this.#storage.url}/checkpoints`,
        'execution.checkpointing.interval': '100 ms',
        'execution.checkpointing.min-pause': '0',
        'parallelism.default': String(parallelism),
      }),
      ...['--', '--out', this.output, '--probe', path.join(this.root, 'probe')],
      ...['--rate', String(this.#options.rate)],
    );
  }

  /** Wall times at which threads processed their first element, with the process. */
  firsts(): { readonly atMs: number; readonly pid: number }[] {
    return fs.readdirSync(path.join(this.root, 'probe')).map((name) => {
      const [atMs = NaN, pid = NaN] = name.split('-').map(Number);
      return { atMs, pid };
    });
  }

  /** Ends the job in good order: all that it has read is in its output. */
  stop(name: string): Promise<Run> {
    return this.run(name, 'stop', 'steady', '-p', path.join(this.root, 'savepoints'));
  }

  /** What the job writes of its first elements, a line each. */
  expected(elements: number): string[] {
    return Array.from({ length: elements }, (_, n) =>
      JSON.stringify({ count: Math.floor(n / KEYS) + 1, key: n % KEYS }),
    );
  }

  /** Kills what runs, also what stands still, and removes all files. */
  async close(): Promise<void> {
    for (const service of this.#services) await service.kill('SIGKILL');
    for (const folder of ['data-home', 'data-home/standby']) {
      await runTidemark(['service', 'stop', '--data', path.join(this.root, folder)]);
    }
    for (const { pid } of this.firsts()) kill(pid);
    removeFolder(this.root);
  }
}

function kill(pid: number): void {
  try {
    // Its number may be another's by now; then that one's command line is another, too.
    const command = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    if (command.includes('task-manager-main')) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** The event that a service logs, once it does. */
export async function logged(
  service: NodeProcess,
  kind: string,
): Promise<NonNullable<(typeof service.events)[number]>> {
  await service.until(() => service.count(kind) > 0);
  const event = service.events.find((one) => one.kind === kind);
  if (event === undefined) {
    const { code, stdout, stderr } = await service.ended;
    throw new TypeError(`the service ended (${String(code)}) before ${kind}: ${stderr}${stdout}`);
  }
  return event;
}

/** Processes that this one has started. */
export function childrenOf(pid: number): number[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
