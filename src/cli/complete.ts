import type { Command } from 'commander';
import { placeOf, type Candidate } from './completion-place.ts';
import { valuesOfKind } from './completion-values.ts';

/** More would take longer to read than to type. */
const CANDIDATES_MAX = 200;
const ABOUT_CHARS_MAX = 70;

/**
 * What the scripts of `tidemark completion` ask: a line for each word that fits, with a tab and what it is. The last
 * line says what the shell may offer itself: `:files`, `:directories` or `:nothing`.
 *
 * @param words What is typed behind `tidemark`; the last one up to the cursor.
 */
export async function completeCommand(program: Command, words: readonly string[]): Promise<string> {
  const { current, candidates, kinds } = placeOf(program, words);
  const asked = await Promise.all(kinds.map((kind) => valuesOfKind(kind, current)));
  const fitting = [...candidates, ...asked.flat()].filter(({ value }) => value.startsWith(current));
  const lines = fitting.slice(0, CANDIDATES_MAX).map(lineOf);
  const own = kinds.includes('file')
    ? ':files'
    : kinds.includes('directory')
      ? ':directories'
      : ':nothing';
  return [...lines, own, ''].join('\n');
}

function lineOf({ value, about }: Candidate): string {
  const [sentence = ''] = about.split('\n');
  const isLong = sentence.length > ABOUT_CHARS_MAX;
  return `${value}\t${isLong ? `${sentence.slice(0, ABOUT_CHARS_MAX - 1)}…` : sentence}`;
}
