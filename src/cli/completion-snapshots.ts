/** Snapshots that a shell may offer: below a folder that is being typed, or where this project keeps its own. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FlinkSettings } from '../settings/flink-settings.ts';
import type { s3FoldersBelow } from '../storage/s3/s3-folders.ts';
import type { S3Objects } from '../storage/s3/s3-objects.ts';
import type { Candidate } from './completion-place.ts';

/** Folders that are looked into, and snapshots that are offered. */
const FOLDERS_MAX = 500;
/** Of a bucket, where each look is a request. */
const JOBS_MAX_S3 = 20;
/** Beside checkpoints, nothing for people. */
const INNER = new Set(['HEAD', 'shared', 'taskowned', 'by-name', 'job-store']);
const METADATA = '_metadata';

/** Below the folder that is being typed; if none is, those where this project keeps its own. */
export async function snapshotsFitting(current: string): Promise<Candidate[]> {
  const { readSettings } = await import('../settings/process-settings.ts');
  const own = () => readSettings({ env: process.env, cwd: process.cwd() }).flink;
  if (/^(\.|~|\/|[a-z0-9+.-]+:)/i.test(current) || current.includes('/')) {
    const cut = current.lastIndexOf('/') + 1;
    const typed = current.slice(0, cut);
    const folders = await foldersOf(typed, own);
    const found = (await folders?.below(current.slice(cut))) ?? [];
    return found.map(({ name, about }) => ({ value: typed + name, about }));
  }
  const flink = own();
  const storage = flink.checkpointStorage ?? '.tidemark/checkpoints';
  const places = [...new Set([flink.savepointDirectory ?? storage, storage])];
  const all = await Promise.all(
    places.map(async (place) => {
      const folders = await foldersOf(place, () => flink);
      return [...((await folders?.savepoints()) ?? []), ...((await folders?.checkpoints()) ?? [])];
    }),
  );
  return all.flat();
}

interface Entry {
  readonly name: string;
  readonly about: string;
}

/** The folders of one place. */
abstract class Folders {
  /** Names of folders in one. */
  protected abstract names(folder: readonly string[], begin?: string): Promise<string[]>;
  /** When the snapshot in it was complete; undefined if it is none. */
  protected abstract about(folder: readonly string[]): Promise<string | undefined>;
  /** As a command takes it. */
  protected abstract valueOf(folder: readonly string[]): string;
  protected readonly jobsMax: number = FOLDERS_MAX;

  /** Snapshots, and folders that may hold some. */
  async below(begin: string): Promise<Entry[]> {
    const names = (await this.#outer([], begin)).filter((name) => name.startsWith(begin));
    return Promise.all(
      names.map(async (name) => {
        const about = await this.about([name]);
        return about === undefined ? { name: `${name}/`, about: '' } : { name, about };
      }),
    );
  }

  async savepoints(): Promise<Candidate[]> {
    return this.#candidates((await this.#outer([], 'savepoint-')).map((name) => [name]));
  }

  async checkpoints(): Promise<Candidate[]> {
    const jobs = (await this.#outer([])).filter((name) => /^[0-9a-f]{32}$/.test(name));
    const found = await Promise.all(
      jobs.slice(0, this.jobsMax).map(async (job) => {
        return (await this.#outer([job], 'chk-')).map((name) => [job, name]);
      }),
    );
    return this.#candidates(found.flat());
  }

  async #outer(folder: readonly string[], begin = ''): Promise<string[]> {
    const names = await this.names(folder, begin);
    return names.filter(
      (name) => name.startsWith(begin) && !INNER.has(name) && !name.startsWith('.'),
    );
  }

  async #candidates(folders: readonly (readonly string[])[]): Promise<Candidate[]> {
    const all = await Promise.all(
      folders.map(async (folder) => ({
        value: this.valueOf(folder),
        about: await this.about(folder),
      })),
    );
    return all.flatMap(({ value, about }) => (about === undefined ? [] : [{ value, about }]));
  }
}

class DiskFolders extends Folders {
  readonly #root: string;

  constructor(root: string) {
    super();
    this.#root = root;
  }

  protected names(folder: readonly string[]): Promise<string[]> {
    const at = this.valueOf(folder);
    if (!fs.existsSync(at)) return Promise.resolve([]);
    const entries = fs.readdirSync(at, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return Promise.resolve(names.slice(0, FOLDERS_MAX));
  }

  protected about(folder: readonly string[]): Promise<string | undefined> {
    const stat = fs.statSync(path.join(this.valueOf(folder), METADATA), { throwIfNoEntry: false });
    return Promise.resolve(stat && textOf(stat.mtime));
  }

  protected valueOf(folder: readonly string[]): string {
    return path.join(this.#root, ...folder);
  }
}

interface S3 {
  readonly foldersBelow: typeof s3FoldersBelow;
  readonly objects: S3Objects;
  readonly prefix: string;
}

class S3Folders extends Folders {
  readonly #url: string;
  readonly #s3: S3;
  protected override readonly jobsMax = JOBS_MAX_S3;

  constructor(url: string, s3: S3) {
    super();
    this.#url = url.replace(/\/+$/, '');
    this.#s3 = s3;
  }

  protected names(folder: readonly string[], begin?: string): Promise<string[]> {
    const { objects, foldersBelow } = this.#s3;
    return foldersBelow(objects, this.#keyOf(folder), begin);
  }

  protected async about(folder: readonly string[]): Promise<string | undefined> {
    const { objects } = this.#s3;
    for await (const { key, modifiedMs } of objects.list(`${this.#keyOf(folder)}${METADATA}`)) {
      if (key.endsWith(`/${METADATA}`)) return textOf(new Date(modifiedMs));
    }
    return undefined;
  }

  protected valueOf(folder: readonly string[]): string {
    return [this.#url, ...folder].join('/');
  }

  #keyOf(folder: readonly string[]): string {
    return `${this.#s3.prefix}${folder.map((name) => `${name}/`).join('')}`;
  }
}

/** Undefined for a place that nobody can look into. */
async function foldersOf(typed: string, own: () => FlinkSettings): Promise<Folders | undefined> {
  if (/^file:/i.test(typed)) return new DiskFolders(path.resolve(fileURLToPath(new URL(typed))));
  if (!/^[a-z0-9+.-]+:/i.test(typed)) return new DiskFolders(path.resolve(typed || '.'));
  return /^s3[an]?:\/\/./i.test(typed) ? s3Folders(typed, own()) : undefined;
}

/** One that does not answer at once is not asked again: somebody waits at a terminal. */
const REQUEST_MS = 1_000;

async function s3Folders(url: string, flink: FlinkSettings): Promise<Folders> {
  const { s3FoldersBelow: foldersBelow } = await import('../storage/s3/s3-folders.ts');
  const { S3Objects } = await import('../storage/s3/s3-objects.ts');
  const { S3Connection } = await import('../storage/s3/s3-client.ts');
  const { s3LocationOf } = await import('../storage/s3/s3-location.ts');
  const { defaultWorld } = await import('../cluster/run-job.ts');
  const { bucket, prefix } = s3LocationOf(url);
  const quick = { s3RequestTimeoutMs: REQUEST_MS, s3RetryTimeoutMs: 0 };
  const objects = new S3Objects(new S3Connection({ ...flink, ...quick }, defaultWorld), bucket);
  return new S3Folders(url, { foldersBelow, objects, prefix });
}

function textOf(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}
