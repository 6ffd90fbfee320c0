/**
 * Dead letters in files, and the files of letters that are to be replayed.
 *
 * ```text
 * <place>/part-….jsonl                       what a file sink has written: one letter a line
 * <place>/replay/<operator>/replay-000001.jsonl   letters that enter their operator again
 * ```
 *
 * Always holds: a replay file appears under its name whole and durable, is never changed, and has the
 * number after the highest one that was there when its letters were chosen. So of two replays at a time
 * one finds its number taken, and chooses again: no letter is in two files.
 */
import type { FileSystem } from '../../common/file-system.ts';
import { randomHex } from '../../common/random.ts';
import type { World } from '../../contracts/source.ts';
import { DEAD_LETTER_VERSION, type DeadLetter } from '../../contracts/dead-letter.ts';
import { DurableFolders } from './durable-folders.ts';
import { fileError, notADeadLetter } from './errors.ts';
import { absolutePath } from './find-files.ts';
import { readFinished } from './read-finished.ts';
import { folderOf } from './sink-layout.ts';

const REPLAY = 'replay';

/** All letters that a file sink has committed to a folder, oldest first. @throws {EngineError} `DLQ-004` */
export async function readLetters(fs: FileSystem, place: string): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (const { path, text } of await readFinished(fs, place))
    letters.push(...lettersIn(text, path));
  return letters.sort((a, b) => (a.failedAt < b.failedAt ? -1 : a.failedAt > b.failedAt ? 1 : 0));
}

/** @throws {EngineError} `DLQ-004` (`corrupt`) for a line that is none. */
export function lettersIn(text: string, path: string): DeadLetter[] {
  return text
    .split('\n')
    .flatMap((line, index) => (line === '' ? [] : letterOf(line, path, index + 1)));
}

export function letterOf(line: string, path: string, row: number): DeadLetter {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw notADeadLetter(path, row, 'it is no JSON', cause);
  }
  return checkLetter(value, path, row);
}

const TEXTS = ['id', 'job', 'operator', 'failedAt', 'errorName', 'errorMessage', 'record'] as const;

/** @throws {EngineError} `DLQ-004` (`corrupt`) if it is none, or of a later version. */
export function checkLetter(value: unknown, path: string, row: number): DeadLetter {
  const letter = Object(value) as Partial<Record<keyof DeadLetter, unknown>>;
  for (const field of TEXTS) {
    if (typeof letter[field] !== 'string') throw notADeadLetter(path, row, `it has no ${field}`);
  }
  if (!(Number(letter.version) <= DEAD_LETTER_VERSION)) {
    throw notADeadLetter(path, row, `its version is ${String(letter.version)}`);
  }
  return value as DeadLetter;
}

/** The folder from which an operator's letters are read again. */
export function replayFolder(place: string, operator: string): string {
  return `${absolutePath(place)}/${REPLAY}/${encodeURIComponent(operator)}`;
}

/** The ids of all letters that are in replay files of a place. */
export async function replayedIds(fs: FileSystem, place: string): Promise<Set<string>> {
  const ids = new Set<string>();
  const root = `${absolutePath(place)}/${REPLAY}`;
  for (const { name, kind } of await fs.list(root)) {
    if (kind !== 'folder') continue;
    for (const id of (await replaysOf(fs, `${root}/${name}`)).ids) ids.add(id);
  }
  return ids;
}

export interface ReplayWritten {
  /** Undefined: there was nothing left to do. */
  readonly path: string | undefined;
  readonly letters: readonly DeadLetter[];
}

/**
 * Puts letters of one operator where it reads them again: those that are not there yet.
 *
 * @throws {EngineError} `FIL-002` to `FIL-005`.
 */
export async function writeReplay(
  { fs, random }: Pick<World, 'fs' | 'random'>,
  place: string,
  letters: readonly DeadLetter[],
): Promise<ReplayWritten> {
  const operator = letters[0]?.operator;
  if (operator === undefined) return { path: undefined, letters: [] };
  const folder = replayFolder(place, operator);
  try {
    await new DurableFolders(fs, absolutePath(place)).make(folder);
    const temporary = `${folder}/.${randomHex(random, 16)}`;
    for (;;) {
      const { ids, highest } = await replaysOf(fs, folder);
      const left = letters.filter(({ id }) => !ids.has(id));
      if (left.length === 0) return { path: undefined, letters: [] };
      const path = `${folder}/${nameOf(highest + 1)}`;
      if (await createWhole(fs, { temporary, path }, left)) return { path, letters: left };
    }
  } catch (cause) {
    throw fileError('write a replay', folder, cause);
  }
}

async function replaysOf(fs: FileSystem, folder: string) {
  const ids = new Set<string>();
  let highest = 0;
  for (const { name, kind } of await fs.list(folder)) {
    const number = /^replay-(\d+)\.jsonl$/.exec(name)?.[1];
    if (kind !== 'file' || number === undefined) continue;
    const path = `${folder}/${name}`;
    const text = Buffer.from(await fs.readFile(path)).toString();
    for (const { id } of lettersIn(text, path)) ids.add(id);
    highest = Math.max(highest, Number(number));
  }
  return { ids, highest };
}

function nameOf(number: number): string {
  return `replay-${String(number).padStart(6, '0')}.jsonl`;
}

/** False if the name is taken. A crash may leave the temporary file, which no source reads. */
async function createWhole(
  fs: FileSystem,
  { temporary, path }: { readonly temporary: string; readonly path: string },
  letters: readonly DeadLetter[],
): Promise<boolean> {
  const writer = await fs.openWrite(temporary, 'create');
  try {
    try {
      for (const letter of letters) await writer.write(Buffer.from(`${JSON.stringify(letter)}\n`));
      await writer.sync();
    } finally {
      await writer.close();
    }
    await fs.link(temporary, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    return false;
  } finally {
    await fs.remove(temporary);
  }
  await fs.syncFolder(folderOf(path));
  return true;
}
