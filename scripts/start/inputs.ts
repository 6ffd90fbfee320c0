import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

export interface InputFile {
  readonly name: string;
  readonly rows: number;
  readonly readingsPerRow: number;
}

const FILES = [
  { name: 'CGM.csv.gz', readingsPerRow: 2 },
  { name: 'cycling.csv.gz', readingsPerRow: 3 },
] as const;

/** Counts the rows of the job's input without the engine, as the ledger's other side. */
export function countInputs(root: string): InputFile[] {
  return FILES.map(({ name, readingsPerRow }) => {
    const bytes = gunzipSync(fs.readFileSync(path.join(root, 'examples', 'data', name)));
    const lines = bytes.toString('latin1').split('\n').filter(isNotEmpty);
    return { name, rows: lines.length - 1, readingsPerRow };
  });
}

export function rowsOf(inputs: readonly InputFile[]): number {
  return inputs.reduce((sum, { rows }) => sum + rows, 0);
}

export function readingsOf(inputs: readonly InputFile[]): number {
  return inputs.reduce((sum, { rows, readingsPerRow }) => sum + rows * readingsPerRow, 0);
}

function isNotEmpty(line: string): boolean {
  return line.trim() !== '';
}
