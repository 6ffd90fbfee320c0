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

/** A job for Flink: one file, which is compiled once. */
export interface FlinkJob {
  readonly name: string;
  readonly mainClass: string;
  readonly source: string;
  /** Of Maven, with what they need; they go into the job's jar. */
  readonly libraries: readonly string[];
}

export const KEYED_COUNT: FlinkJob = {
  name: 'keyed-count',
  mainClass: 'bench.KeyedCount',
  source: path.join(import.meta.dirname, 'KeyedCount.java'),
  libraries: [],
};

export const KAFKA_COUNT: FlinkJob = {
  name: 'kafka-count',
  mainClass: 'bench.KafkaCount',
  source: path.join(import.meta.dirname, 'KafkaCount.java'),
  libraries: ['org.apache.flink:flink-connector-kafka:5.0.0-2.2'],
};

export interface FlinkInstallation {
  readonly version: string;
  readonly home: string;
  /** The job, with its `mainClass` inside. */
  readonly jar: string;
  readonly mainClass: string;
}

/** Fetches and compiles what is not there yet. */
export async function installFlink(job: FlinkJob): Promise<FlinkInstallation> {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  const base = path.join(cache, 'tidemark', 'flink-bench');
  const home = path.join(base, FLINK_VERSION);
  await mkdir(base, { recursive: true });
  if (!existsSync(home)) await installDistribution(base, home);
  const jar = path.join(base, `${job.name}.jar`);
  if (!existsSync(jar) || (await stat(jar)).mtimeMs < (await stat(job.source)).mtimeMs) {
    await compileJob({ base, home, jar, job });
  }
  return { version: FLINK_VERSION, home, jar, mainClass: job.mainClass };
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

interface Compilation {
  readonly base: string;
  readonly home: string;
  readonly jar: string;
  readonly job: FlinkJob;
}

async function compileJob({ base, home, jar, job }: Compilation): Promise<void> {
  const folder = await mkdtemp(path.join(base, 'job-'));
  const classes = path.join(folder, 'classes');
  // Flink finds libraries in the folder `lib` of a job's jar.
  const libraries = path.join(classes, 'lib');
  if (job.libraries.length > 0) await fetchLibraries(folder, libraries, job.libraries);
  const classPath = [path.join(home, 'lib', '*'), path.join(libraries, '*')].join(':');
  await run('javac', ['-cp', classPath, '-d', classes, job.source]);
  const made = path.join(folder, 'job.jar');
  await run('jar', ['cf', made, '-C', classes, '.']);
  await rename(made, jar);
  await rm(folder, { recursive: true, force: true });
}

async function fetchLibraries(
  folder: string,
  into: string,
  libraries: readonly string[],
): Promise<void> {
  const dependencies = libraries.map((library) => {
    const [group = '', artifact = '', version = ''] = library.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  });
  const pom = path.join(folder, 'pom.xml');
  await writeFile(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>bench</groupId><artifactId>libraries</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('')}</dependencies></project>
`,
  );
  const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
  const to = [`-DoutputDirectory=${into}`, '-DincludeScope=runtime'];
  await run('mvn', ['-q', '-B', '-f', pom, plugin, ...to]);
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
