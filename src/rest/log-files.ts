/**
 * The logs that the service keeps in its data folder. Only names that stand in the list are ever
 * opened, so that no path leads out of it.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { notFoundError } from './rest-error.ts';

interface LogFile {
  readonly name: string;
  readonly size: number;
  readonly mtime: number;
}

/** Most of a file that one answer holds: its end. */
const SHOWN_BYTES_MAX = 8 * 1024 * 1024;

export async function listLogs(folder: string, about = ''): Promise<readonly LogFile[]> {
  const names = await fs.readdir(folderOf(folder)).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => /\.(log|out|err)(\.\d+)?$/.test(name) && name.includes(about))
      .map(async (name) => {
        const stat = await fs.lstat(path.join(folderOf(folder), name)).catch(() => undefined);
        if (stat?.isFile() !== true) return [];
        return [{ name, size: stat.size, mtime: Math.round(stat.mtimeMs) }];
      }),
  );
  return found.flat();
}

/** @throws {RestError} `RST-002` (`invalid`) if there is none of that name. */
export async function readLog(folder: string, name: string): Promise<string> {
  const logs = await listLogs(folder);
  const found = logs.find((log) => log.name === name);
  if (found === undefined) throw notFoundError(`The file ${name} does not exist.`);
  const file = await fs.open(path.join(folderOf(folder), found.name), 'r');
  try {
    const length = Math.min(found.size, SHOWN_BYTES_MAX);
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(length),
      position: found.size - length,
    });
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}

function folderOf(dataFolder: string): string {
  return path.join(dataFolder, 'logs');
}
