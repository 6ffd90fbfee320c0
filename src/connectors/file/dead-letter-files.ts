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
import type { DeadLetter } from '../../contracts/dead-letter.ts';
import { LetterIds } from '../../contracts/letter-ids.ts';
import { type LetterPlace, parseLetter } from '../../contracts/letter-place.ts';
import { DurableFolders } from './durable-folders.ts';
import { fileError } from './errors.ts';
import { absolutePath } from './find-files.ts';
import { finishedFiles } from './read-finished.ts';
import { folderOf } from './sink-layout.ts';

const REPLAY = 'replay';

/** Of a way back from a folder: a path may be written in more than one way, so it is not compared. */
export const REPLAYS_FROM_FILES = 'files';

/** Letters of files as a place for commands; a file is in memory at a time. */
export function letterFolder(world: Pick<World, 'fs' | 'random'>, place: string): LetterPlace {
  const { fs } = world;
  const known = new Map<string, Replays>();
  return {
    name: place,
    replaysFrom: REPLAYS_FROM_FILES,
    async *letters() {
      for await (const { path, text } of finishedFiles(fs, place)) yield* lettersIn(text, path);
    },
    replayed: () => replayedIds(fs, place),
    replay: async (letters) => {
      const written: DeadLetter[] = [];
      for (const operator of new Set(letters.map((letter) => letter.operator))) {
        const own = letters.filter((letter) => letter.operator === operator);
        const before = known.get(operator) ?? { ids: new LetterIds(), highest: 0 };
        known.set(operator, before);
        written.push(...(await writeReplay(world, { place, operator, known: before }, own)));
      }
      return { letters: written, to: `${absolutePath(place)}/${REPLAY}` };
    },
    close: () => Promise.resolve(),
  };
}

/** @throws {EngineError} `DLQ-004` (`corrupt`) for a line that is none. */
function* lettersIn(text: string, path: string): Iterable<DeadLetter> {
  for (let start = 0, row = 1; start < text.length; row += 1) {
    const end = text.indexOf('\n', start);
    const line = text.slice(start, end < 0 ? text.length : end);
    if (line !== '') yield parseLetter(line, path, row);
    start = end < 0 ? text.length : end + 1;
  }
}

/** The folder from which an operator's letters are read again. */
export function replayFolder(place: string, operator: string): string {
  return `${absolutePath(place)}/${REPLAY}/${encodeURIComponent(operator)}`;
}

/** What replay files of an operator were read already. */
interface Replays {
  readonly ids: LetterIds;
  highest: number;
}

/** The ids of all letters that are in replay files of a place. */
async function replayedIds(fs: FileSystem, place: string): Promise<LetterIds> {
  const ids = new LetterIds();
  const root = `${absolutePath(place)}/${REPLAY}`;
  for (const { name, kind } of await fs.list(root)) {
    if (kind === 'folder') await readOn(fs, `${root}/${name}`, { ids, highest: 0 });
  }
  return ids;
}

interface ReplayTarget {
  readonly place: string;
  readonly operator: string;
  readonly known: Replays;
}

/**
 * Puts letters of one operator where it reads them again: those that are not there yet.
 *
 * @throws {EngineError} `FIL-002` to `FIL-005`.
 */
async function writeReplay(
  { fs, random }: Pick<World, 'fs' | 'random'>,
  { place, operator, known }: ReplayTarget,
  letters: readonly DeadLetter[],
): Promise<readonly DeadLetter[]> {
  const folder = replayFolder(place, operator);
  try {
    await new DurableFolders(fs, absolutePath(place)).make(folder);
    const temporary = `${folder}/.${randomHex(random, 16)}`;
    for (;;) {
      await readOn(fs, folder, known);
      const left = letters.filter(({ id }) => !known.ids.has(id));
      if (left.length === 0) return [];
      const path = `${folder}/${nameOf(known.highest + 1)}`;
      if (await createWhole(fs, { temporary, path }, left)) return left;
    }
  } catch (cause) {
    throw fileError('write a replay', folder, cause);
  }
}

/** Reads the files that have come since: a number is taken only after the one before it. */
async function readOn(fs: FileSystem, folder: string, known: Replays): Promise<void> {
  const before = known.highest;
  for (const { name, kind } of await fs.list(folder)) {
    const number = Number(/^replay-(\d+)\.jsonl$/.exec(name)?.[1] ?? 0);
    if (kind !== 'file' || number <= before) continue;
    const path = `${folder}/${name}`;
    const text = Buffer.from(await fs.readFile(path)).toString();
    for (const { id } of lettersIn(text, path)) known.ids.add(id);
    known.highest = Math.max(known.highest, number);
  }
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
