import pc from 'picocolors';
import type { DeadLetter } from '../contracts/dead-letter.ts';
import type { LetterPlace } from '../contracts/letter-place.ts';
import { noSuchLetter } from './cli-errors.ts';
import { atPlace, reasonOf, type ListedLetter } from './dlq-letters.ts';
import type { PlaceOptions } from './dlq-place.ts';
import { EXIT } from './exit-codes.ts';
import type { JsonOption, Terminal } from './terminal.ts';

export type DlqShowOptions = JsonOption & PlaceOptions;

/** `tidemark dlq show`: all that one dead letter says. */
export function dlqShowCommand(
  place: string,
  id: string,
  options: DlqShowOptions,
): Promise<number> {
  return atPlace(place, options, async (terminal, opened) => {
    const letter = await find(opened, id);
    const replayed = (await opened.replayed()).has(letter.id);
    terminal.answer({ ...letter, replayed });
    show(terminal, { ...letter, replayed });
    return EXIT.done;
  });
}

async function find(place: LetterPlace, id: string): Promise<DeadLetter> {
  let letter: DeadLetter | undefined;
  let found = 0;
  for await (const one of place.letters()) {
    if (one.id === id) return one;
    if (!one.id.endsWith(id)) continue;
    letter = one;
    found += 1;
  }
  if (letter === undefined || found > 1) throw noSuchLetter(id, found, place.name);
  return letter;
}

function show(terminal: Terminal, letter: ListedLetter): void {
  const facts: readonly (readonly [string, string | null])[] = [
    ['Id', letter.id],
    ['Failed', `${letter.failedAt}, in attempt ${letter.attempt} of subtask ${letter.subtask}`],
    ['Job', letter.job],
    ['Source', letter.source],
    ['Position', placeText(letter.position)],
    ['Event time', letter.eventTime],
    ['Key', letter.key],
    ['Replayed', letter.replayed ? 'yes' : null],
  ];
  terminal.say(pc.bold(`${letter.operator}: ${reasonOf(letter)}: ${letter.errorMessage}`));
  for (const [name, text] of facts) {
    if (text !== null) terminal.say(`  ${name.padEnd(11)} ${text}`);
  }
  terminal.say(letter.recordExact ? 'Record' : 'Record, in part: it cannot be replayed');
  for (const line of pretty(letter.record).split('\n')) terminal.say(`  ${line}`);
  if (letter.errorStack === null) return;
  terminal.say('Stack');
  for (const line of letter.errorStack.split('\n')) terminal.say(pc.dim(`  ${line}`));
}

/** `file=/data/a.csv, row=7` */
function placeText(position: string | null): string | null {
  if (position === null) return null;
  const fields = JSON.parse(position) as Readonly<Record<string, unknown>>;
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(', ');
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2);
  } catch {
    return json;
  }
}
