/** What the commands for dead letters share. */
import type { DeadLetter } from '../contracts/dead-letter.ts';
import { badTime } from './cli-errors.ts';

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

/** The letters of a place that a filter lets through, oldest first. @throws {EngineError} `DLQ-004`, `CLI-082` */
export async function lettersAt(place: string, filter: LetterFilter): Promise<ListedLetter[]> {
  const { defaultWorld } = await import('../cluster/run-job.ts');
  const { readLetters, replayedIds } = await import('../connectors/file/dead-letter-files.ts');
  const { fs, clock } = defaultWorld;
  const now = clock.wallMs();
  const since = timeOf('--since', filter.since, now) ?? -Infinity;
  const until = timeOf('--until', filter.until, now) ?? Infinity;
  const replayed = await replayedIds(fs, place);
  const letters = await readLetters(fs, place);
  return letters
    .filter(({ operator, errorName, errorCode, failedAt }) => {
      const ms = Date.parse(failedAt);
      return (
        (filter.operator ?? operator) === operator &&
        (filter.error === undefined || filter.error === errorName || filter.error === errorCode) &&
        ms >= since &&
        ms < until
      );
    })
    .map((letter) => ({ ...letter, replayed: replayed.has(letter.id) }));
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
