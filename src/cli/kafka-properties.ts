import { unreadableProperties } from './cli-errors.ts';

/**
 * A file of properties as Kafka's own commands take it with `--command-config`: a name and a value on each line,
 * with `=` or `:` between them. Secrets are in a file so that they are not in the list of processes.
 *
 * @throws {EngineError} `CLI-051` (`invalid`) if it cannot be read.
 */
export async function readProperties(
  path: string | undefined,
): Promise<Readonly<Record<string, string>>> {
  if (path === undefined) return {};
  const { readFile } = await import('node:fs/promises');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadableProperties(path, cause);
  }
  return parseProperties(text);
}

/** As Java reads them. */
export function parseProperties(text: string): Readonly<Record<string, string>> {
  const lines = text.replaceAll(/(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*/g, '$1').split(/\r?\n/);
  const pairs = lines.flatMap((line): [string, string][] => {
    const found = /^\s*(?![#!])((?:\\.|[^\\\s=:])+)\s*[=:]?\s*(.*)$/.exec(line);
    return found === null ? [] : [[plain(found[1] ?? ''), plain(found[2] ?? '')]];
  });
  return Object.fromEntries(pairs);
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function plain(text: string): string {
  return text.replaceAll(/\\(?:u([\da-fA-F]{4})|(.))/g, (_, code?: string, other?: string) =>
    code === undefined
      ? (ESCAPES[other ?? ''] ?? other ?? '')
      : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
