import { lettersAt, reasonOf, type LetterFilter, type ListedLetter } from './dlq-letters.ts';
import { EXIT } from './exit-codes.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';
import { countText } from './units.ts';

export interface DlqListOptions extends JsonOption, LetterFilter {
  /** A line for each letter. */
  readonly ids?: boolean;
}

/** `tidemark dlq list`: how many dead letters there are, where they come from and why. */
export function dlqListCommand(place: string, options: DlqListOptions): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const letters = await lettersAt(place, options);
    if (options.ids === true) listIds(terminal, letters);
    else listCounts(terminal, letters);
    if (letters.length === 0) terminal.say(`There are no such dead letters in ${place}.`);
    return EXIT.done;
  });
}

interface Group {
  readonly operator: string;
  readonly reason: string;
  readonly example: string;
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

function listCounts(terminal: Terminal, letters: readonly ListedLetter[]): void {
  const groups = groupsOf(letters);
  terminal.answer({
    letters: letters.length,
    replayed: letters.filter(({ replayed }) => replayed).length,
    groups,
  });
  if (groups.length === 0) return;
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
}

function groupsOf(letters: readonly ListedLetter[]): Group[] {
  const groups = new Map<string, Group>();
  for (const letter of letters) {
    const { operator, failedAt, errorMessage, replayed } = letter;
    const reason = reasonOf(letter);
    const id = JSON.stringify([operator, reason]);
    const group = groups.get(id);
    groups.set(id, {
      operator,
      reason,
      example: errorMessage,
      count: (group?.count ?? 0) + 1,
      replayed: (group?.replayed ?? 0) + Number(replayed),
      first: group?.first ?? failedAt,
      last: failedAt,
    });
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

function listIds(terminal: Terminal, letters: readonly ListedLetter[]): void {
  for (const letter of letters) terminal.answer(letter);
  if (letters.length === 0) return;
  const rows = letters.map((letter) => [
    shortTime(letter.failedAt),
    letter.operator,
    reasonOf(letter),
    letter.replayed ? 'replayed' : '',
    letter.id,
  ]);
  for (const line of tableOf(ID_COLUMNS, rows)) terminal.say(line);
}

function shortTime(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')}Z`;
}

const MESSAGE_CHARACTERS_MAX = 60;

function shortText(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > MESSAGE_CHARACTERS_MAX ? `${line.slice(0, MESSAGE_CHARACTERS_MAX)}…` : line;
}
