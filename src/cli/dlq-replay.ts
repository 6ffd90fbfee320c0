import type { DeadLetter } from '../contracts/dead-letter.ts';
import { noWayBack } from './cli-errors.ts';
import { lettersAt, type LetterFilter, type ListedLetter } from './dlq-letters.ts';
import { EXIT } from './exit-codes.ts';
import { readAll, type SettingOptions } from './read-settings.ts';
import { tableOf } from './table.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';
import { countText } from './units.ts';

export interface DlqReplayOptions extends JsonOption, LetterFilter, SettingOptions {
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
  readonly letters: readonly DeadLetter[];
  /** Already on their way. */
  readonly before: number;
  /** Their records are not all there. */
  readonly inexact: number;
}

/**
 * `tidemark dlq replay`: puts letters into files that the job reads with `replayedLetters`. A file
 * appears whole, and which letters are in one is how it is known what was replayed.
 */
export async function dlqReplayCommand(
  given: ReplayArguments,
  options: DlqReplayOptions,
): Promise<number> {
  const code = await onTerminal(options, (terminal) => replay(terminal, given, options));
  const { job, rest } = given;
  if (code !== EXIT.done || job === undefined || options.dryRun === true) return code;
  const { runCommand } = await import('./run.ts');
  return runCommand(job, rest, options);
}

async function replay(
  terminal: Terminal,
  { place, job, rest }: ReplayArguments,
  options: DlqReplayOptions,
): Promise<number> {
  const chosen = choose(await lettersAt(place, options));
  if (job !== undefined) await requireWayBack(job, rest, chosen, options);
  const done: { readonly operator: string; readonly letters: number; readonly path?: string }[] =
    [];
  if (options.dryRun !== true) {
    const { defaultWorld } = await import('../cluster/run-job.ts');
    const { writeReplay } = await import('../connectors/file/dead-letter-files.ts');
    for (const { operator, letters } of chosen) {
      const { path, letters: written } = await writeReplay(defaultWorld, place, letters);
      if (path !== undefined) done.push({ operator, letters: written.length, path });
    }
  }
  terminal.answer({
    dryRun: options.dryRun === true,
    chosen: chosen.map(({ letters, ...more }) => ({ ...more, letters: letters.length })),
    done,
  });
  say(terminal, chosen, place);
  for (const { operator, letters, path } of done) {
    terminal.say(`${countText(letters)} letters of '${operator}' are on their way: ${path ?? ''}`);
  }
  if (options.dryRun === true) terminal.say('Nothing was changed.');
  return EXIT.done;
}

function choose(letters: readonly ListedLetter[]): Chosen[] {
  const operators = [...new Set(letters.map(({ operator }) => operator))].sort();
  return operators.map((operator) => {
    const own = letters.filter((letter) => letter.operator === operator);
    const fresh = own.filter(({ replayed }) => !replayed);
    return {
      operator,
      letters: fresh
        .filter(({ recordExact }) => recordExact)
        .map(({ replayed: _replayed, ...letter }) => letter),
      before: own.length - fresh.length,
      inexact: fresh.filter(({ recordExact }) => !recordExact).length,
    };
  });
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
    ...[letters.length, before, inexact].map(countText),
  ]);
  for (const line of tableOf(COLUMNS, rows)) terminal.say(line);
}

/** Letters that the job would never read would look replayed and be lost. @throws {EngineError} `CLI-081` */
async function requireWayBack(
  file: string,
  rest: readonly string[],
  chosen: readonly Chosen[],
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
      spec.kind === 'source' && spec.source.kind === 'dead-letters' ? uid : [],
    ),
  );
  for (const { operator, letters } of chosen) {
    const reader = nodes.find(({ uid }) => uid === operator);
    const hasWay = reader?.edges.some(({ from }) => isReplay.has(from)) ?? false;
    if (letters.length > 0 && !hasWay) throw noWayBack(operator, job.name);
  }
}
