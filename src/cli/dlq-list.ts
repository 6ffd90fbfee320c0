import type { DeadLetter } from '../contracts/dead-letter.ts';
import type { LetterIds } from '../contracts/letter-ids.ts';
import {
  atPlace,
  lettersAt,
  reasonOf,
  type LetterFilter,
  type ListedLetter,
} from './dlq-letters.ts';
import type { PlaceOptions } from './dlq-place.ts';
import { EXIT } from './exit-codes.ts';
import { OldestLetters } from './oldest-letters.ts';
import { tableOf } from './table.ts';
import type { JsonOption, Terminal } from './terminal.ts';
import { countText } from './units.ts';

export interface DlqListOptions extends JsonOption, LetterFilter, PlaceOptions {
  /** A line for each letter. */
  readonly ids?: boolean;
  /** Of those lines. */
  readonly limit: number;
  readonly skip: number;
}

/** `tidemark dlq list`: how many dead letters there are, where they come from and why. */
export function dlqListCommand(place: string, options: DlqListOptions): Promise<number> {
  return atPlace(place, options, async (terminal, opened) => {
    const replayed = await opened.replayed();
    const letters = listed(lettersAt(opened, options), replayed);
    const count =
      options.ids === true
        ? await listIds(terminal, letters, options)
        : await listCounts(terminal, letters);
    if (count === 0) terminal.say(`There are no such dead letters in ${opened.name}.`);
    return EXIT.done;
  });
}

async function* listed(
  letters: AsyncIterable<DeadLetter>,
  replayed: LetterIds,
): AsyncIterable<ListedLetter> {
  for await (const letter of letters) yield { ...letter, replayed: replayed.has(letter.id) };
}

interface Group {
  readonly operator: string;
  readonly reason: string;
  example: string;
  count: number;
  replayed: number;
  first: string;
  last: string;
}

const COUNT_COLUMNS = [
  { title: 'OPERATOR' },
  { title: 'REASON' },
  { title: 'LETTERS', right: true },
  { title: 'REPLAYED', right: true },
  { title: 'FIRST' },
  { title: 'LAST' },
  { title: 'MESSAGE OF THE LAST' },
];

async function listCounts(
  terminal: Terminal,
  letters: AsyncIterable<ListedLetter>,
): Promise<number> {
  const groups = await groupsOf(letters);
  const count = groups.reduce((sum, group) => sum + group.count, 0);
  terminal.answer({
    letters: count,
    replayed: groups.reduce((sum, group) => sum + group.replayed, 0),
    groups,
  });
  if (groups.length === 0) return 0;
  const rows = groups.map((group) => [
    group.operator,
    group.reason,
    countText(group.count),
    countText(group.replayed),
    shortTime(group.first),
    shortTime(group.last),
    shortText(group.example),
  ]);
  for (const line of tableOf(COUNT_COLUMNS, rows)) terminal.say(line);
  return count;
}

async function groupsOf(letters: AsyncIterable<ListedLetter>): Promise<readonly Group[]> {
  const groups = new Map<string, Group>();
  for await (const letter of letters) {
    const { operator, failedAt, errorMessage, replayed } = letter;
    const reason = reasonOf(letter);
    const id = JSON.stringify([operator, reason]);
    const group = groups.get(id) ?? {
      operator,
      reason,
      example: errorMessage,
      count: 0,
      replayed: 0,
      first: failedAt,
      last: failedAt,
    };
    groups.set(id, group);
    group.count += 1;
    group.replayed += Number(replayed);
    if (failedAt < group.first) group.first = failedAt;
    if (failedAt < group.last) continue;
    group.last = failedAt;
    group.example = errorMessage;
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

const ID_COLUMNS = [
  { title: 'FAILED' },
  { title: 'OPERATOR' },
  { title: 'REASON' },
  { title: '' },
  { title: 'ID' },
];

/** Places have no order of time: as many as are wanted are kept, and the others are counted. */
async function listIds(
  terminal: Terminal,
  letters: AsyncIterable<ListedLetter>,
  { skip, limit }: DlqListOptions,
): Promise<number> {
  const oldest = new OldestLetters(skip + limit);
  for await (const letter of letters) oldest.add(letter);
  const shown = oldest.letters().slice(skip);
  for (const letter of shown) terminal.answer(letter);
  const rows = shown.map((letter) => [
    shortTime(letter.failedAt),
    letter.operator,
    reasonOf(letter),
    letter.replayed ? 'replayed' : '',
    letter.id,
  ]);
  if (rows.length > 0) for (const line of tableOf(ID_COLUMNS, rows)) terminal.say(line);
  const left = oldest.count - skip - shown.length;
  if (left > 0) {
    terminal.say(`${countText(left)} more follow: --skip ${skip + shown.length}, or --limit.`);
  }
  return oldest.count;
}

function shortTime(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')}Z`;
}

const MESSAGE_CHARACTERS_MAX = 60;

function shortText(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > MESSAGE_CHARACTERS_MAX ? `${line.slice(0, MESSAGE_CHARACTERS_MAX)}…` : line;
}
