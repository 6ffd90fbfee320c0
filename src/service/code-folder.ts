import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The package that this process runs. */
const ENGINE = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

/**
 * The code of the jobs that run, as files from which their threads and processes import it. Beside it
 * lies a link to the running engine, which is the one `tidemark` that a job gets.
 */
export class CodeFolder {
  readonly #folder: string;
  readonly #uses = new Map<string, number>();

  /** Empties the folder: no job runs yet. @param folder Absolute. */
  constructor(folder: string) {
    this.#folder = folder;
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(path.join(folder, 'node_modules'), { recursive: true, mode: 0o700 });
    fs.symlinkSync(ENGINE, path.join(folder, 'node_modules', 'tidemark'), 'junction');
  }

  /** The URL of this code, until `release` has been called as often. */
  use(hash: string, code: Uint8Array): string {
    const file = this.#fileOf(hash);
    if (!this.#isThere(file, hash)) {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      const draft = `${file}.new`;
      fs.writeFileSync(draft, code);
      fs.renameSync(draft, file);
    }
    this.#uses.set(hash, (this.#uses.get(hash) ?? 0) + 1);
    return pathToFileURL(file).href;
  }

  release(hash: string): void {
    const left = (this.#uses.get(hash) ?? 0) - 1;
    this.#uses.set(hash, left);
    if (left > 0) return;
    this.#uses.delete(hash);
    fs.rmSync(path.dirname(this.#fileOf(hash)), { recursive: true, force: true });
  }

  #fileOf(hash: string): string {
    return path.join(this.#folder, hash, 'job.mjs');
  }

  #isThere(file: string, hash: string): boolean {
    if (!fs.existsSync(file)) return false;
    return createHash('sha256').update(fs.readFileSync(file)).digest('hex') === hash;
  }
}
