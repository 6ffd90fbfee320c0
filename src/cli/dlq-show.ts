import pc from 'picocolors';
import { noSuchLetter } from './cli-errors.ts';
import { lettersAt, reasonOf, type ListedLetter } from './dlq-letters.ts';
import { EXIT } from './exit-codes.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';

/** `tidemark dlq show`: all that one dead letter says. */
export function dlqShowCommand(place: string, id: string, options: JsonOption): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const found = (await lettersAt(place, {})).filter(
      (letter) => letter.id === id || letter.id.endsWith(id),
    );
    const [letter] = found;
    if (letter === undefined || found.length > 1) throw noSuchLetter(id, found.length, place);
    terminal.answer(letter);
    show(terminal, letter);
    return EXIT.done;
  });
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
