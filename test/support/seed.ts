/**
 * What chance the tests have: `SEED` of the environment, or else one that the commit decides. So each commit is
 * tried with a seed of its own, and one that was green stays green. For other seeds: `SEED=$RANDOM npm test`.
 */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';

/** 8 hex digits, or what `SEED` says. */
export const seedText = process.env['SEED'] ?? ofCommit();

/** `SEED` if it is a number, else a number made from it; 0 or more, less than 2 ** 31. */
export const seed = toNumber(seedText);

/** `SEED` alone, or some that stay and that of the commit. */
export function seedsBeside(...fixed: readonly string[]): readonly string[] {
  return process.env['SEED'] === undefined ? [...fixed, seedText] : [seedText];
}

function ofCommit(): string {
  let commit: string;
  try {
    commit = execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    // Unpacked without its history, or git is not installed.
    commit = '';
  }
  return hash('sha256', commit).slice(0, 8);
}

function toNumber(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : parseInt(hash('sha256', text).slice(0, 7), 16);
}
