import fs from 'node:fs';
import path from 'node:path';
import { ArgumentError } from './arguments.ts';

/** Lies in each folder that we made, so that we clear no other. */
const MARK = '.made-by-npm-start';

/**
 * Makes the folder for the results, empty. One that somebody else filled is refused, unless it is
 * the default.
 */
export function prepareOutFolder(out: string, isDefault: boolean): void {
  const stat = fs.statSync(out, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) {
    throw new ArgumentError(`--out ${out} is not a folder: name another one.`);
  }
  const names = stat === undefined ? [] : fs.readdirSync(out);
  if (names.length > 0 && !isDefault && !names.includes(MARK)) {
    throw new ArgumentError(
      `--out ${out} holds something that npm start did not make: empty it yourself, or name another folder.`,
    );
  }
  // The mark goes last, so that an interrupted clearing can go on next time.
  for (const name of names) {
    if (name !== MARK) fs.rmSync(path.join(out, name), { recursive: true });
  }
  fs.mkdirSync(out, { recursive: true });
  fs.writeFileSync(path.join(out, MARK), 'npm start clears this folder when it begins.\n');
}
