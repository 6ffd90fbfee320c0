import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';

export interface Column {
  readonly title: string;
  /** Default: to the left. */
  readonly right?: boolean;
}

/** A table as lines: titles, then one line for each row, two spaces between columns. */
export function tableOf(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...rows.map((row) => widthOf(row[at] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ right }, at) => {
        const cell = cells[at] ?? '';
        const space = ' '.repeat((widths[at] ?? 0) - widthOf(cell));
        return right === true ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return [pc.bold(line(columns.map(({ title }) => title))), ...rows.map(line)];
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}
