import type { LetterPlace } from '../../../contracts/letter-place.ts';
import type { World } from '../../../contracts/source.ts';
import { tableText } from '../catalog.ts';
import { noSuchTable } from '../errors.ts';
import type { CommitTarget } from '../table-commit.ts';
import { currentSnapshot } from '../table-metadata.ts';
import { tableName } from '../table-name.ts';
import type { TableReference } from '../table-operations.ts';
import { dataFilesOf, lettersIn } from './letter-rows.ts';
import { ReplayTable, replayTableOf } from './replay-table.ts';

const ATTEMPTS_MAX = 20;

/**
 * Letters in a table as a place for commands.
 *
 * @throws {EngineError} `ICE-001` (`invalid`) for a name; when it is read `ICE-002`, `ICE-007` to `ICE-009`.
 */
export function letterTable({ catalog, table }: TableReference, world: World): LetterPlace {
  const connected = catalog.connect(world);
  const name = tableName(table);
  const replays = replayTableOf(table);
  const target: CommitTarget = {
    catalog: connected,
    table: tableName(replays),
    world,
    attemptsMax: ATTEMPTS_MAX,
  };
  const replayTable = new ReplayTable(target);
  return {
    name: `table ${table}`,
    replaysFrom: replaysFrom(table),
    async *letters() {
      const loaded = await connected.load(name);
      if (loaded === undefined) throw noSuchTable(tableText(name), connected.url);
      const snapshot = currentSnapshot(loaded.metadata);
      if (snapshot === undefined) return;
      for await (const file of dataFilesOf(loaded, name, snapshot)) {
        for await (const { letter } of lettersIn(loaded.io, file, world)) yield letter;
      }
    },
    replayed: () => replayTable.ids(),
    replay: async (letters) => ({
      letters: await replayTable.add(letters),
      to: `table ${replays}`,
    }),
    close: () => Promise.resolve(),
  };
}

export function replaysFrom(table: string): string {
  return `table ${replayTableOf(table)}`;
}
