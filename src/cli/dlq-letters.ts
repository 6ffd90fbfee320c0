/** What the commands for dead letters share. */
import type { DeadLetter } from '../contracts/dead-letter.ts';
import type { LetterPlace } from '../contracts/letter-place.ts';
import { badTime } from './cli-errors.ts';
import { openPlace, type PlaceOptions } from './dlq-place.ts';
import { onTerminal, type JsonOption, type Terminal } from './terminal.ts';

export interface LetterFilter {
  readonly operator?: string;
  readonly error?: string;
  readonly since?: string;
  readonly until?: string;
}

/** A letter and whether it was put back on its way. */
export interface ListedLetter extends DeadLetter {
  readonly replayed: boolean;
}

/** The letters of a place that a filter lets through, as they come. @throws {EngineError} `DLQ-004`, `CLI-082` */
export async function* lettersAt(
  place: LetterPlace,
  filter: LetterFilter,
): AsyncIterable<DeadLetter> {
  const { systemClock } = await import('../common/clock.ts');
  const now = systemClock.wallMs();
  const since = timeOf('--since', filter.since, now) ?? -Infinity;
  const until = timeOf('--until', filter.until, now) ?? Infinity;
  for await (const letter of place.letters()) {
    const { operator, errorName, errorCode, failedAt } = letter;
    const { operator: wanted = operator, error } = filter;
    if (wanted !== operator) continue;
    if (error !== undefined && error !== errorName && error !== errorCode) continue;
    const ms = Date.parse(failedAt);
    if (ms >= since && ms < until) yield letter;
  }
}

/** Runs a command on a place, and closes it. */
export function atPlace(
  place: string,
  options: JsonOption & PlaceOptions,
  run: (terminal: Terminal, place: LetterPlace) => Promise<number>,
): Promise<number> {
  return onTerminal(options, async (terminal) => {
    const opened = await openPlace(place, options);
    try {
      return await run(terminal, opened);
    } finally {
      await opened.close();
    }
  });
}

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A time as people give it on the command line. @throws {EngineError} `CLI-082` */
export function timeOf(
  option: string,
  text: string | undefined,
  nowMs: number,
): number | undefined {
  if (text === undefined) return undefined;
  const ago = /^(\d+)\s*([smhd])$/.exec(text);
  if (ago !== null) return nowMs - Number(ago[1]) * (UNITS[ago[2] ?? ''] ?? 0);
  // Without a zone it is UTC, as everything that the engine prints.
  const hasZone = /(z|[+-]\d\d:?\d\d)$/i.test(text);
  const ms = Date.parse(hasZone || !/\d:\d/.test(text) ? text : `${text.replace(' ', 'T')}Z`);
  if (Number.isNaN(ms)) throw badTime(option, text);
  return ms;
}

/** The class, with the code if there is one: `EngineError DLQ-005`. */
export function reasonOf({ errorName, errorCode }: DeadLetter): string {
  return errorCode === null ? errorName : `${errorName} ${errorCode}`;
}
