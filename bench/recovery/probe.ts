import fs from 'node:fs';
import path from 'node:path';

/** A read of the bench's job that came to the sink. Times are wall time in milliseconds. */
export interface ProbeLine {
  readonly n: number;
  readonly madeMs: number;
  readonly sinkMs: number;
  /** The state was what it should be. */
  readonly ok: boolean;
}

/** The lines that the sinks of the bench's job write: a file for each writer of each attempt. */
export class Probe {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    fs.mkdirSync(folder, { recursive: true });
  }

  /** Names of all writers so far; those of a later attempt are others. */
  writers(): ReadonlySet<string> {
    return new Set(fs.readdirSync(this.folder).filter((name) => name.endsWith('.lines')));
  }

  /** Complete lines of all writers but these, by the time at the sink. */
  lines(besides: ReadonlySet<string> = new Set()): ProbeLine[] {
    return [...this.writers()]
      .filter((name) => !besides.has(name))
      .flatMap((name) => linesOf(fs.readFileSync(path.join(this.folder, name), 'utf8')))
      .sort((a, b) => a.sinkMs - b.sinkMs);
  }

  /** Makes the next read throw. */
  requestThrow(): void {
    fs.rmSync(path.join(this.folder, 'thrown'), { force: true });
    fs.writeFileSync(path.join(this.folder, 'throw'), '');
  }

  /** When it threw; undefined as long as it has not. */
  thrownMs(): number | undefined {
    const file = path.join(this.folder, 'thrown');
    const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
    return text === '' ? undefined : Number(text);
  }
}

function linesOf(text: string): ProbeLine[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [n = 0, madeMs = 0, sinkMs = 0, ok = 0] = line.split(' ').map(Number);
      return { n, madeMs, sinkMs, ok: ok === 1 };
    });
}
