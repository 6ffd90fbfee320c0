import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';

const EXIT = { created: 0, refused: 2 } as const;

/** Before what the umask takes away. */
const EXECUTABLE = 0o777;

/** What a new project may find in its folder: `git init` comes first for many. */
const HARMLESS = new Set(['.git']);

export interface InitArguments {
  readonly json?: boolean;
}

interface Created {
  readonly folder: string;
  readonly files: readonly string[];
  /** What the project depends on. */
  readonly tidemark: string;
  /** Commands that run it. */
  readonly next: readonly string[];
}

/** `tidemark init`: writes a new project. */
export async function initCommand(folder: string, options: InitArguments): Promise<number> {
  const { RunReporter } = await import('./run-reporter.ts');
  const reporter = new RunReporter(options.json === true, process.stdout, process.stderr);
  let created: Created;
  try {
    created = await createProject(folder);
  } catch (error) {
    reporter.error(error);
    return EXIT.refused;
  }
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ kind: 'created', ...created })}\n`);
    return EXIT.created;
  }
  reporter.say(`Created ${pc.bold(folder)}: ${created.files.join(', ')}`);
  reporter.say(`Run it:  ${pc.green(created.next.join(' && '))}`);
  return EXIT.created;
}

/** @throws {EngineError} `CLI-003`, `CLI-004` (`invalid`); nothing is left behind then. */
async function createProject(folder: string): Promise<Created> {
  const { dependencyFor, readOwnPackage } = await import('./package-origin.ts');
  const { projectFiles } = await import('./project-files.ts');
  // From dist/cli or src/cli.
  const own = readOwnPackage(
    fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, ''),
  );
  const full = path.resolve(folder);
  await refuseOccupied(full);
  const tidemark = dependencyFor(realFolder(full), own);
  const files = projectFiles({
    name: packageName(path.basename(full)),
    tidemark,
    zod: own.dependencies['zod'] ?? '',
    typescript: own.devDependencies['typescript'] ?? '',
  });
  await writeAll(full, files);
  const install = isInstalledFor(full) ? [] : ['npm install'];
  const enter = full === process.cwd() ? [] : [`cd ${shellWord(folder)}`];
  return {
    folder: full,
    files: Object.keys(files),
    tidemark,
    next: [...enter, ...install, 'npm start'],
  };
}

async function refuseOccupied(full: string): Promise<void> {
  const { EngineError } = await import('../common/errors.ts');
  const stat = fs.statSync(full, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const found = stat.isDirectory()
    ? fs.readdirSync(full).filter((name) => !HARMLESS.has(name))
    : [path.basename(full)];
  const [first] = found;
  if (first === undefined) return;
  throw new EngineError('CLI-003', 'invalid', 'the folder for a new project is not empty', {
    details: { folder: full, found: first },
    hint: 'Name a folder that is not there yet, as in tidemark init my-job.',
  });
}

async function writeAll(full: string, files: Readonly<Record<string, string>>): Promise<void> {
  const { EngineError } = await import('../common/errors.ts');
  const written: string[] = [];
  try {
    const made = fs.mkdirSync(full, { recursive: true });
    if (made !== undefined) written.push(made);
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(full, name);
      const folder = fs.mkdirSync(path.dirname(file), { recursive: true });
      if (folder !== undefined) written.push(folder);
      const mode = name.endsWith('.sh') ? EXECUTABLE : undefined;
      fs.writeFileSync(file, text, { flag: 'wx', ...(mode && { mode }) });
      written.push(file);
    }
  } catch (cause) {
    for (const each of written.reverse()) fs.rmSync(each, { recursive: true, force: true });
    throw new EngineError('CLI-004', 'invalid', 'a new project cannot be written', {
      details: { folder: full, code: String((cause as { code?: unknown }).code) },
      hint: 'Name a folder where you may write, on a disk with room.',
      cause,
    });
  }
}

/** A dependency's path must hold where the folder really is, behind symbolic links. */
function realFolder(full: string): string {
  if (fs.existsSync(full)) return fs.realpathSync(full);
  const parent = path.dirname(full);
  return parent === full ? full : path.join(realFolder(parent), path.basename(full));
}

/** Whether a folder above has tidemark and its command installed, so that the project runs as it is. */
function isInstalledFor(full: string): boolean {
  const parent = path.dirname(full);
  if (fs.existsSync(path.join(full, 'node_modules', 'tidemark', 'package.json'))) return true;
  return parent !== full && isInstalledFor(parent);
}

function packageName(folder: string): string {
  const name = folder.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-');
  return name.replace(/^[._-]+/, '').slice(0, 200) || 'job';
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
