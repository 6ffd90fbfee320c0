import type { FileSystem } from '../../common/file-system.ts';
import { gunzip } from '../../formats/gzip.ts';
import { absolutePath, findFiles } from './find-files.ts';
import { FINISHED_PREFIX } from './sink-layout.ts';

export interface FinishedFile {
  readonly path: string;
  /** Decompressed. */
  readonly text: string;
}

/** What a file sink has committed so far, one file after another; empty if it has not begun. */
export async function* finishedFiles(fs: FileSystem, path: string): AsyncIterable<FinishedFile> {
  for (const file of await findFiles(fs, absolutePath(path), true)) {
    if (!file.slice(file.lastIndexOf('/') + 1).startsWith(FINISHED_PREFIX)) continue;
    const bytes = await fs.readFile(file);
    const plain = file.endsWith('.gz') ? gunzip(bytes, file) : bytes;
    yield { path: file, text: Buffer.from(plain).toString() };
  }
}

/** What a file sink has committed so far, by the files' names; empty if it has not begun. */
export async function readFinished(fs: FileSystem, path: string): Promise<FinishedFile[]> {
  const files: FinishedFile[] = [];
  for await (const file of finishedFiles(fs, path)) files.push(file);
  return files;
}

/** The values of all committed JSON lines. */
export async function readFinishedValues(fs: FileSystem, path: string): Promise<unknown[]> {
  const files = await readFinished(fs, path);
  const lines = files.flatMap(({ text }) => text.split('\n').filter((line) => line !== ''));
  return lines.map((line): unknown => JSON.parse(line));
}
