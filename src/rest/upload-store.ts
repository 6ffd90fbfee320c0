/**
 * Bundles of jobs that were uploaded, as files in the data folder: one module each. Their code is
 * never loaded here; the processes of a job load it when it is run.
 *
 * A file has its name only when it is whole. Their number and their size are bounded, and one that a
 * job still runs from is kept.
 */
import { createWriteStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { randomHex, type Random } from '../common/random.ts';
import { badRequestError, conflictError, notFoundError, tooManyError } from './rest-error.ts';

const BUNDLES_MAX = 100;
const PART = '.part';
const NAME = /^[\w-][\w.-]{0,99}\.(mjs|js|mts|ts)$/;
const ID = /^([0-9a-f]{32})_([\w-][\w.-]{0,99}\.(mjs|js|mts|ts))$/;

export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly uploadedMs: number;
}

export class UploadStore {
  readonly #folder: string;
  readonly #random: Random;

  constructor(dataFolder: string, random: Random) {
    this.#folder = path.join(dataFolder, 'uploads');
    this.#random = random;
  }

  /** Removes what a process that died left half written. */
  async clean(): Promise<void> {
    const names = await fs.readdir(this.#folder).catch(() => []);
    for (const name of names)
      if (name.endsWith(PART)) await fs.rm(path.join(this.#folder, name), { force: true });
  }

  /** @throws {RestError} `RST-001` for another kind of file, `RST-007` if there are too many. */
  async save(name: string, bytes: Readable, isWhole: () => boolean): Promise<Upload> {
    if (!NAME.test(name)) {
      bytes.resume();
      throw badRequestError(
        `"${name.slice(0, 100)}" is not a module: its name must end in .mjs, .js, .mts or .ts`,
      );
    }
    if ((await this.list()).length >= BUNDLES_MAX) {
      bytes.resume();
      throw tooManyError('uploaded bundles', BUNDLES_MAX);
    }
    const id = `${randomHex(this.#random, 32)}_${name}`;
    const part = this.#pathOf(id) + PART;
    await fs.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    try {
      await pipeline(bytes, createWriteStream(part, { flags: 'wx', mode: 0o600, flush: true }));
      if (isWhole()) await fs.rename(part, this.#pathOf(id));
    } finally {
      await fs.rm(part, { force: true });
    }
    return this.find(id);
  }

  async list(): Promise<readonly Upload[]> {
    const names = await fs.readdir(this.#folder).catch(() => []);
    const found = await Promise.all(names.map((id) => this.#read(id)));
    return found.flatMap((upload) => upload ?? []).sort((a, b) => b.uploadedMs - a.uploadedMs);
  }

  /** @throws {RestError} `RST-002` */
  async find(id: string): Promise<Upload> {
    const found = await this.#read(id);
    if (found === undefined) throw notFoundError(`Jar file ${id.slice(0, 150)} does not exist`);
    return found;
  }

  /** @param isRunning Whether a job still needs it. @throws {RestError} `RST-002`, `RST-003` */
  async remove(id: string, isRunning: boolean): Promise<void> {
    await this.find(id);
    if (isRunning) throw conflictError(`a job runs from ${id}: its restarts need the file`);
    await fs.rm(this.#pathOf(id), { force: true });
  }

  moduleOf({ id }: Upload): string {
    return pathToFileURL(this.#pathOf(id)).href;
  }

  async #read(id: string): Promise<Upload | undefined> {
    const name = ID.exec(id)?.[2];
    if (name === undefined) return undefined;
    const stat = await fs.lstat(this.#pathOf(id)).catch(() => undefined);
    if (stat?.isFile() !== true) return undefined;
    return { id, name, uploadedMs: Math.round(stat.mtimeMs) };
  }

  #pathOf(id: string): string {
    return path.join(this.#folder, id);
  }
}
