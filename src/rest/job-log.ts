/**
 * What a job's code has printed, read on from where a client was: over the files into which the log is rotated.
 *
 * Always holds: whole lines are given out, each once and in order, whatever is rotated meanwhile; where lines have gone
 * before they were read, that is said.
 */
import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { badRequestError } from './rest-error.ts';

export interface JobLogRequest {
  /** Of the answer before; absent: the last lines. */
  readonly cursor: string | undefined;
  /** How many lines at first. */
  readonly lines: number;
  /** The job is over: a last line without an end is given out, too. */
  readonly isOver: boolean;
}

export interface JobLogPart {
  /** Whole lines. */
  readonly text: string;
  readonly cursor: string;
  /** Lines between this and the last answer are gone. */
  readonly lost: boolean;
  /** There is more already. */
  readonly more: boolean;
}

/** Of one answer. */
const BYTES_MAX = 1024 * 1024;
/** How far back the last lines are looked for. */
const LOOK_BACK_BYTES_MAX = 4 * BYTES_MAX;
const OLD_MAX = 9;
const TRIES_MAX = 5;
const START = 'start';
const NEWLINE = 10;

interface OpenFile {
  readonly id: string;
  readonly sizeBytes: number;
  readonly handle: FileHandle;
}

/**
 * @param file Of the log: older parts are `<file>.1`, `<file>.2` …
 * @throws {RestError} `RST-001` for a cursor that none was given out as.
 */
export async function readJobLog(file: string, request: JobLogRequest): Promise<JobLogPart> {
  const files = await openAll(file);
  try {
    if (request.cursor === undefined) return await lastLines(files, request);
    return await readOn(files, request.cursor, request.isOver);
  } finally {
    for (const { handle } of files) await handle.close();
  }
}

export function jobLogFile(dataFolder: string, jobId: string): string {
  return path.join(dataFolder, 'logs', `job-${jobId}.log`);
}

/** All parts, the oldest first. Opened again if they were rotated meanwhile: one might be missing. */
async function openAll(file: string): Promise<readonly OpenFile[]> {
  for (let tries = 1; ; tries += 1) {
    const before = await idOf(file);
    const files: OpenFile[] = [];
    for (let age = OLD_MAX; age >= 0; age -= 1) {
      const handle = await fs.open(age === 0 ? file : `${file}.${age}`, 'r').catch(() => undefined);
      if (handle === undefined) continue;
      const stat = await handle.stat();
      files.push({ id: textOf(stat), sizeBytes: stat.size, handle });
    }
    if ((await idOf(file)) === before || tries >= TRIES_MAX) return files;
    for (const { handle } of files) await handle.close();
  }
}

async function idOf(file: string): Promise<string | undefined> {
  const stat = await fs.stat(file).catch(() => undefined);
  return stat && textOf(stat);
}

/** A number of a file may come again once it is gone; the time at which it was made does not. */
function textOf({ ino, birthtimeMs }: { readonly ino: number; readonly birthtimeMs: number }) {
  return `${ino}-${Math.floor(birthtimeMs)}`;
}

async function lastLines(
  files: readonly OpenFile[],
  { lines, isOver }: JobLogRequest,
): Promise<JobLogPart> {
  let text = Buffer.alloc(0);
  for (const { handle, sizeBytes } of [...files].reverse()) {
    const length = Math.min(sizeBytes, LOOK_BACK_BYTES_MAX - text.length);
    text = Buffer.concat([await bytesOf(handle, sizeBytes - length, length), text]);
    if (countLines(text) > lines || text.length >= LOOK_BACK_BYTES_MAX) break;
  }
  const end = isOver ? text.length : text.lastIndexOf(NEWLINE) + 1;
  const last = files.at(-1);
  const cursor = last === undefined ? START : `${last.id}:${last.sizeBytes - (text.length - end)}`;
  const whole = text.subarray(startOfLast(text.subarray(0, end), lines), end);
  return { text: whole.toString('utf8'), cursor, lost: false, more: false };
}

/** Where the last lines of `text` begin. */
function startOfLast(text: Buffer, lines: number): number {
  let at = text.at(-1) === NEWLINE ? text.length - 1 : text.length;
  for (let left = lines; left > 0; left -= 1) {
    const before = at === 0 ? -1 : text.lastIndexOf(NEWLINE, at - 1);
    if (before === -1) return 0;
    at = before;
  }
  return at + 1;
}

async function readOn(
  files: readonly OpenFile[],
  cursor: string,
  isOver: boolean,
): Promise<JobLogPart> {
  const [, id = '', digits = '0'] = /^([\d-]+):(\d{1,15})$/.exec(cursor) ?? [];
  if (id === '' && cursor !== START) throw badRequestError('"cursor" must be that of an answer');
  const known = files.findIndex((file) => file.id === id);
  const from = Math.max(0, known);
  let part: Buffer = Buffer.alloc(0);
  let position = known === -1 ? 0 : Number(digits);
  const lost = known === -1 && cursor !== START;
  for (const [at, { handle, sizeBytes, id: own }] of files.entries()) {
    if (at < from) continue;
    if (at > from) position = 0;
    part = await bytesOf(handle, position, Math.min(BYTES_MAX, sizeBytes - position));
    const isLast = at === files.length - 1;
    // Only the youngest goes on; a line that is longer than an answer is cut.
    const isWhole = !isLast || isOver || part.length === BYTES_MAX;
    const newline = part.lastIndexOf(NEWLINE) + 1;
    const end =
      isWhole && (newline === 0 || position + part.length === sizeBytes) ? part.length : newline;
    if (end === 0 && !isLast) continue;
    const next = position + end;
    const more = next < sizeBytes ? end > 0 : !isLast;
    return { text: part.subarray(0, end).toString('utf8'), cursor: `${own}:${next}`, lost, more };
  }
  return { text: '', cursor, lost: false, more: false };
}

async function bytesOf(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  if (length <= 0) return Buffer.alloc(0);
  const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(length), position });
  return buffer.subarray(0, bytesRead);
}

function countLines(text: Buffer): number {
  let count = 0;
  for (const byte of text) if (byte === NEWLINE) count += 1;
  return count;
}
