/**
 * Puts a Flink distribution and the benchmark's job into the user's cache folder. Flink comes in
 * Python packages, which `pip` fetches from wherever it is configured to; needs Java 17.
 */
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { run } from './run.ts';

const FLINK_VERSION = '2.2.1';
/** The jars, and the scripts with the configuration. */
const PACKAGES = ['apache-flink-libraries', 'apache-flink'];
const FOLDERS = ['bin', 'conf', 'lib'];
const JOB_SOURCE = path.join(import.meta.dirname, 'KeyedCount.java');

export interface FlinkInstallation {
  readonly version: string;
  readonly home: string;
  /** The job, with `mainClass` inside. */
  readonly jar: string;
  readonly mainClass: string;
}

/** Fetches and compiles what is not there yet. */
export async function installFlink(): Promise<FlinkInstallation> {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  const base = path.join(cache, 'tidemark', 'flink-bench');
  const home = path.join(base, FLINK_VERSION);
  await mkdir(base, { recursive: true });
  if (!existsSync(home)) await installDistribution(base, home);
  const jar = path.join(base, 'keyed-count.jar');
  if (!existsSync(jar) || (await stat(jar)).mtimeMs < (await stat(JOB_SOURCE)).mtimeMs) {
    await compileJob(base, home, jar);
  }
  return { version: FLINK_VERSION, home, jar, mainClass: 'bench.KeyedCount' };
}

/** The folder appears by one rename, so it is whole. */
async function installDistribution(base: string, home: string): Promise<void> {
  console.error(`setup: fetching Flink ${FLINK_VERSION}`);
  const folder = await mkdtemp(path.join(base, 'download-'));
  const packages = PACKAGES.map((name) => `${name}==${FLINK_VERSION}`);
  await run('pip', ['-q', 'download', '--no-deps', '-d', folder, ...packages]);
  const made = path.join(folder, 'home');
  for (const wheel of (await readdir(folder)).filter((name) => name.endsWith('.whl'))) {
    const unpacked = path.join(folder, 'unpacked', wheel);
    await run('python3', ['-m', 'zipfile', '-e', path.join(folder, wheel), unpacked]);
    for (const name of FOLDERS) {
      const from = path.join(unpacked, 'pyflink', name);
      if (existsSync(from)) await cp(from, path.join(made, name), { recursive: true });
    }
  }
  const bin = path.join(made, 'bin');
  for (const name of await readdir(bin)) await chmod(path.join(bin, name), 0o755);
  await rename(made, home);
  await rm(folder, { recursive: true, force: true });
}

async function compileJob(base: string, home: string, jar: string): Promise<void> {
  const folder = await mkdtemp(path.join(base, 'job-'));
  const classPath = path.join(home, 'lib', '*');
  await run('javac', ['-cp', classPath, '-d', path.join(folder, 'classes'), JOB_SOURCE]);
  const made = path.join(folder, 'job.jar');
  await run('jar', ['cf', made, '-C', path.join(folder, 'classes'), '.']);
  await rename(made, jar);
  await rm(folder, { recursive: true, force: true });
}

/** Writes the configuration of a cluster with one TaskManager into `folder`. */
export async function writeConfiguration(
  home: string,
  folder: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  await cp(path.join(home, 'conf'), folder, { recursive: true });
  const lines = Object.entries(settings).map(([key, value]) => `${key}: ${value}`);
  await writeFile(path.join(folder, 'config.yaml'), `${lines.join('\n')}\n`);
}
