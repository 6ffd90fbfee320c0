/**
 * Real servers for tests, benches and trying things out: on loopback, on free ports, each with a folder of
 * its own, stopped by pid. What they are made of comes from the package registries, once, and is kept
 * outside the repository.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Long enough to fetch and build any of them on a machine that has nothing. */
export const SERVICE_SETUP_MS = 1_500_000;
const READY_MAX_MS = 300_000;
const STOP_MAX_MS = 30_000;
const LOOK_MS = 50;
const LOG_TAIL_CHARACTERS = 4_000;
/** Up to 32,000: Linux gives connections those from 32,768 on, others begin above. */
const PORTS = { first: 12_000, each: 2_500, workers: 8 };

/** Ports that this process has handed out. */
const given = new Set<number>();

/** A server that runs. */
export interface Service {
  readonly pid: number;
  /** What it printed. */
  readonly logFile: string;
  /** SIGTERM, and SIGKILL if it stays; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
}

export interface ServiceProcess {
  readonly command: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** For what it is waited: looked at again and again until it is true. */
  readonly ready: (log: string) => boolean | Promise<boolean>;
}

/** `${XDG_CACHE_HOME:-~/.cache}/tidemark` */
export function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache');
  return path.join(cache, 'tidemark');
}

/**
 * A folder of the cache, made by `make` if it is not there. It appears by one rename, so that a set-up that
 * was interrupted, or two at once, do no harm.
 */
export function cached(name: string, make: (fresh: string) => void): string {
  const folder = path.join(cacheFolder(), name);
  if (fs.existsSync(folder)) return folder;
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  const fresh = fs.mkdtempSync(`${folder}.`);
  make(fresh);
  try {
    fs.renameSync(fresh, folder);
  } catch (error) {
    if (!fs.existsSync(folder)) throw error;
    fs.rmSync(fresh, { recursive: true });
  }
  return folder;
}

/** Runs a step of a set-up to its end. */
export function runStep(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  const said = `${error?.message ?? ''}${stdout}${stderr}`.slice(-LOG_TAIL_CHARACTERS);
  throw new TypeError(`${command} ${args.join(' ')} failed: ${said}`);
}

/**
 * A port of loopback that nobody listens on, and that stays the server's own while it is down: it is none of those
 * that systems give to connections, so that no client is given it meanwhile, be it one that calls the server until
 * it is back and reaches itself. Test files that run side by side draw from different ones.
 */
export async function freePort(): Promise<number> {
  const worker = Number(process.env['VITEST_POOL_ID'] ?? 0) % PORTS.workers;
  for (let left = PORTS.each; left > 0; left--) {
    const port = PORTS.first + worker * PORTS.each + randomInt(PORTS.each);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new TypeError('no port is free');
}

function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Starts a server and waits until it is ready. Its output is appended to `<folder>/log`. */
export async function startService(process_: ServiceProcess): Promise<Service> {
  fs.mkdirSync(process_.folder, { recursive: true });
  const logFile = path.join(process_.folder, 'log');
  const log = fs.openSync(logFile, 'a');
  const from = fs.fstatSync(log).size;
  const child = spawn(process_.command, process_.args, {
    cwd: process_.folder,
    env: { ...process.env, ...process_.env },
    stdio: ['ignore', log, log],
    // Ctrl-C at a test must not stop the server before the test has looked at it.
    detached: true,
  });
  fs.closeSync(log);
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const said = (): string => fs.readFileSync(logFile).subarray(from).toString('utf8');
  const until = performance.now() + READY_MAX_MS;
  for (;;) {
    const isReady = await process_.ready(said());
    const died = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
    // Of one that has died, another one answers at its port.
    if (isReady && !died) break;
    if (!died && performance.now() < until) {
      await delay(LOOK_MS);
      continue;
    }
    if (!died) child.kill('SIGKILL');
    const why = died ? 'ended' : 'did not get ready';
    throw new TypeError(`${process_.command} ${why}: ${said().slice(-LOG_TAIL_CHARACTERS)}`);
  }
  return handle(child, gone, logFile);
}

function handle(child: ChildProcess, gone: Promise<void>, logFile: string): Service {
  // Whatever ends this process, no server is left behind.
  const atExit = (): void => void child.kill('SIGKILL');
  process.once('exit', atExit);
  void gone.then(() => process.off('exit', atExit));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  return {
    pid: child.pid ?? -1,
    logFile,
    kill,
    stop: async () => {
      child.kill('SIGTERM');
      const late = delay(STOP_MAX_MS, 'late' as const, { ref: false });
      if ((await Promise.race([gone, late])) === 'late') await kill();
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}
