import type { DeadLetter } from '../contracts/dead-letter.ts';
import type { LetterIds } from '../contracts/letter-ids.ts';
import type { LetterPlace } from '../contracts/letter-place.ts';
import { noWayBack } from './cli-errors.ts';
import { atPlace, lettersAt, type LetterFilter } from './dlq-letters.ts';
import type { PlaceOptions } from './dlq-place.ts';
import { EXIT } from './exit-codes.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { tableOf } from './table.ts';
import type { JsonOption, Terminal } from './terminal.ts';
import { countText } from './units.ts';

export interface DlqReplayOptions extends JsonOption, LetterFilter, PlaceOptions, SettingOptions {
  readonly dryRun?: boolean;
  readonly fromSavepoint?: string;
}

export interface ReplayArguments {
  readonly place: string;
  /** The job's module: checked, and run afterwards. */
  readonly job: string | undefined;
  /** The job's own settings. */
  readonly rest: readonly string[];
}

/** Of one operator. */
interface Chosen {
  readonly operator: string;
  letters: number;
  /** Already on their way. */
  before: number;
  /** Their records are not all there. */
  inexact: number;
}

interface Done {
  readonly operator: string;
  letters: number;
  readonly to: string;
}

interface ReplayAnswer {
  readonly dryRun: boolean;
  readonly chosen: readonly Chosen[];
  readonly done: readonly Done[];
}

/** What is put on its way in one step. */
const BATCH_LETTERS_MAX = 10_000;
const BATCH_CHARACTERS_MAX = 16_000_000;

/**
 * `tidemark dlq replay`: puts letters where the job reads them with its way back. They appear there in steps, each
 * whole, and which letters are there is how it is known what was replayed.
 */
export async function dlqReplayCommand(
  given: ReplayArguments,
  options: DlqReplayOptions,
): Promise<number> {
  const code = await atPlace(given.place, options, (terminal, place) =>
    replay(terminal, place, given, options),
  );
  const { job, rest } = given;
  if (code !== EXIT.done || job === undefined || options.dryRun === true) return code;
  const { runCommand } = await import('./run.ts');
  return runCommand(job, rest, options);
}

async function replay(
  terminal: Terminal,
  place: LetterPlace,
  { job, rest }: ReplayArguments,
  options: DlqReplayOptions,
): Promise<number> {
  const replayed = await place.replayed();
  const chosen = await choose(lettersAt(place, options), replayed);
  if (job !== undefined) await requireWayBack(job, rest, { chosen, place }, options);
  const dryRun = options.dryRun === true;
  const done: Done[] = [];
  try {
    if (!dryRun) {
      const letters = replayable(lettersAt(place, options), replayed, chosen);
      await putOnTheirWay(place, letters, done, terminal);
    }
  } finally {
    // Also when a later step failed: what went before it is on its way.
    tell(terminal, place, { dryRun, chosen, done });
  }
  return EXIT.done;
}

function tell(
  terminal: Terminal,
  place: LetterPlace,
  { dryRun, chosen, done }: ReplayAnswer,
): void {
  terminal.answer({ dryRun, chosen, done });
  say(terminal, chosen, place.name);
  for (const { operator, letters, to } of done) {
    terminal.say(`${countText(letters)} letters of '${operator}' are on their way: ${to}`);
  }
  if (dryRun) terminal.say('Nothing was changed.');
}

async function choose(
  letters: AsyncIterable<DeadLetter>,
  replayed: LetterIds,
): Promise<readonly Chosen[]> {
  const byOperator = new Map<string, Chosen>();
  for await (const { operator, id, recordExact } of letters) {
    const own = byOperator.get(operator) ?? { operator, letters: 0, before: 0, inexact: 0 };
    byOperator.set(operator, own);
    if (replayed.has(id)) own.before += 1;
    else if (recordExact) own.letters += 1;
    else own.inexact += 1;
  }
  return [...byOperator.values()].sort((a, b) => (a.operator < b.operator ? -1 : 1));
}

/** Of the operators that were looked at: others may have come since. */
async function* replayable(
  letters: AsyncIterable<DeadLetter>,
  replayed: LetterIds,
  chosen: readonly Chosen[],
): AsyncIterable<DeadLetter> {
  const operators = new Set(chosen.flatMap((own) => (own.letters > 0 ? own.operator : [])));
  if (operators.size === 0) return;
  for await (const letter of letters) {
    const { operator, id, recordExact } = letter;
    if (operators.has(operator) && recordExact && !replayed.has(id)) yield letter;
  }
}

async function putOnTheirWay(
  place: LetterPlace,
  letters: AsyncIterable<DeadLetter>,
  done: Done[],
  terminal: Terminal,
): Promise<void> {
  let batch: DeadLetter[] = [];
  let characters = 0;
  const put = async (): Promise<void> => {
    const { letters: written, to } = await place.replay(batch);
    batch = [];
    characters = 0;
    for (const { operator } of written) {
      const own = done.find((one) => one.operator === operator);
      if (own === undefined) done.push({ operator, letters: 1, to });
      else own.letters += 1;
    }
    const count = done.reduce((sum, one) => sum + one.letters, 0);
    terminal.progress(`${countText(count)} letters are on their way`);
  };
  for await (const letter of letters) {
    batch.push(letter);
    characters += letter.record.length + (letter.errorStack?.length ?? 0);
    if (batch.length >= BATCH_LETTERS_MAX || characters >= BATCH_CHARACTERS_MAX) await put();
  }
  if (batch.length > 0) await put();
}

const COLUMNS = [
  { title: 'OPERATOR' },
  { title: 'TO REPLAY', right: true },
  { title: 'REPLAYED BEFORE', right: true },
  { title: 'INCOMPLETE', right: true },
];

function say(terminal: Terminal, chosen: readonly Chosen[], place: string): void {
  if (chosen.length === 0) {
    terminal.say(`There are no such dead letters in ${place}.`);
    return;
  }
  const rows = chosen.map(({ operator, letters, before, inexact }) => [
    operator,
    ...[letters, before, inexact].map(countText),
  ]);
  for (const line of tableOf(COLUMNS, rows)) terminal.say(line);
}

/** Letters that the job would never read would look replayed and be lost. @throws {EngineError} `CLI-081` */
async function requireWayBack(
  file: string,
  rest: readonly string[],
  { chosen, place }: { readonly chosen: readonly Chosen[]; readonly place: LetterPlace },
  options: SettingOptions,
): Promise<void> {
  const { flink, variables } = await readAll(options);
  const { loadJobModule } = await import('./load-job-module.ts');
  const { parseJobSettings, settingsPrefix } = await import('../settings/job-settings.ts');
  const { job } = await loadJobModule(file);
  const sources = { args: rest, env: variables };
  const own = parseJobSettings(job.settingsSchema as never, settingsPrefix(job.name), sources);
  const { nodes } = job.build(own, flink).graph;
  const isReplay = new Set(
    nodes.flatMap(({ uid, spec }) =>
      spec.kind === 'source' && spec.source.replaysFrom === place.replaysFrom ? uid : [],
    ),
  );
  for (const { operator, letters } of chosen) {
    const reader = nodes.find(({ uid }) => uid === operator);
    const hasWay = reader?.edges.some(({ from }) => isReplay.has(from)) ?? false;
    if (letters > 0 && !hasWay) throw noWayBack(operator, job.name, place.replaysFrom);
  }
}
