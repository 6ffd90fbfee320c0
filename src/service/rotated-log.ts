import fs from 'node:fs';
import path from 'node:path';

/** Of one file; as much again is in each older one. */
const BYTES_MAX = 10 * 1024 * 1024;
/** Older files, beside the one that is written: `x.log.1` is the youngest. */
const OLD_MAX = 3;

/**
 * A log of bounded size: when the file is full it becomes `.1`, the one before `.2`, and so on. A log
 * that cannot be written (a full disk) loses lines and ends nobody.
 */
export class RotatedLog {
  #file: string;
  readonly #bytesMax: number;
  #sizeBytes: number;

  constructor(file: string, bytesMax = BYTES_MAX) {
    this.#file = file;
    this.#bytesMax = bytesMax;
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    this.#sizeBytes = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  write(bytes: Uint8Array | string): void {
    const size = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
    try {
      if (this.#sizeBytes > 0 && this.#sizeBytes + size > this.#bytesMax) this.#rotate();
      fs.appendFileSync(this.#file, bytes, { mode: 0o600 });
      this.#sizeBytes += size;
    } catch {
      // See above.
    }
  }

  /** Goes on in another file, with what is in this one. */
  moveTo(file: string): void {
    const before = this.#file;
    this.#file = file;
    this.#sizeBytes = fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    try {
      if (!fs.existsSync(before)) return;
      this.write(fs.readFileSync(before));
      fs.rmSync(before);
    } catch {
      // See above.
    }
  }

  #rotate(): void {
    for (let age = OLD_MAX; age >= 1; age -= 1) {
      const from = age === 1 ? this.#file : `${this.#file}.${age - 1}`;
      if (fs.existsSync(from)) fs.renameSync(from, `${this.#file}.${age}`);
    }
    this.#sizeBytes = 0;
  }
}

/** Removes the oldest of the files whose names begin with `prefix`, but for so many. */
export function keepNewest(folder: string, prefix: string, kept: number): void {
  const files = fs
    .readdirSync(folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => path.join(folder, name))
    .map((file) => ({ file, atMs: fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.atMs - a.atMs);
  for (const { file } of files.slice(kept)) fs.rmSync(file, { force: true });
}
