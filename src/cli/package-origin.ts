/**
 * Where this installation of tidemark came from, so that a new project can depend on the same: a file of
 * `npm pack`, a folder, a repository, or a version of the registry.
 */
import fs from 'node:fs';
import path from 'node:path';

export interface OwnPackage {
  /** The folder that holds its package.json. */
  readonly root: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface InstalledPackage {
  readonly resolved?: string;
}

type Declared = Partial<Pick<OwnPackage, 'dependencies' | 'devDependencies'>>;

/**
 * What a package.json in `folder` says to depend on this very tidemark.
 *
 * npm's own list of what it has installed is asked first, then the package.json files above, which all
 * package managers have. An installation without either (a global one) counts as a version.
 *
 * @param folder Absolute, without symbolic links.
 */
export function dependencyFor(folder: string, own: OwnPackage): string {
  const modules = path.dirname(own.root);
  // A clone, or a package that was linked: its folder is the package.
  if (path.basename(modules) !== 'node_modules') return fileDependency(folder, own.root);
  const { specification, from } = installedFrom(modules) ?? declaredAbove(modules) ?? NOWHERE;
  if (isOfRegistry(specification)) return own.version;
  const [, file] = /^(?:file|link):(.*)$/.exec(specification) ?? [];
  if (file === undefined) return specification;
  const target = path.resolve(from, file);
  return fileDependency(folder, fs.existsSync(target) ? target : own.root);
}

/** As a package.json says it, with the folder that its paths begin at. */
interface Origin {
  readonly specification: string;
  readonly from: string;
}

const NOWHERE: Origin = { specification: '', from: '' };

function installedFrom(modules: string): Origin | undefined {
  const list = readJson(path.join(modules, '.package-lock.json')) as
    { readonly packages?: Readonly<Record<string, InstalledPackage>> } | undefined;
  const specification = list?.packages?.['node_modules/tidemark']?.resolved;
  return specification === undefined ? undefined : { specification, from: path.dirname(modules) };
}

function declaredAbove(folder: string): Origin | undefined {
  const from = path.dirname(folder);
  const file = readJson(path.join(from, 'package.json')) as Declared | undefined;
  const specification = file?.dependencies?.['tidemark'] ?? file?.devDependencies?.['tidemark'];
  if (specification !== undefined) return { specification, from };
  return from === folder ? undefined : declaredAbove(from);
}

/** A version or range, or the address of a package in a registry. */
function isOfRegistry(specification: string): boolean {
  if (/^https?:/.test(specification)) return /\/-\/tidemark-[^/]+\.tgz$/.test(specification);
  return !/^(file|link|git|github|git\+\w+):/.test(specification);
}

function fileDependency(folder: string, target: string): string {
  const relative = path.relative(folder, target).replaceAll(path.sep, '/');
  return `file:${relative}`;
}

export function readOwnPackage(root: string): OwnPackage {
  const text = fs.readFileSync(path.join(root, 'package.json'), 'utf8');
  const { version, dependencies, devDependencies } = JSON.parse(text) as Omit<OwnPackage, 'root'>;
  return { root, version, dependencies, devDependencies };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
