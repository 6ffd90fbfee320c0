import { randomInt, type Random } from '../../common/random.ts';
import { DiskFile } from './disk-file.ts';
import { systemError } from './system-error.ts';

/** A folder: names now, and names after a crash. */
export class DiskFolder {
  readonly kind = 'folder';
  readonly id: number;
  readonly entries = new Map<string, DiskNode>();
  readonly durable = new Map<string, DiskNode>();
  modifiedMs = 0;

  constructor(id: number) {
    this.id = id;
  }
}

export type DiskNode = DiskFile | DiskFolder;

interface NameChange {
  readonly folder: DiskFolder;
  readonly name: string;
  /** `undefined`: the name goes. */
  readonly node: DiskNode | undefined;
}

/** One operation on names that is not durable yet. A rename is one: it happens as a whole. */
type Unsynced = readonly NameChange[];

/** Beyond that the operating system writes the oldest back by itself. */
const UNSYNCED_MAX = 512;

/**
 * Files and folders of a simulated disk, in memory and on the platter: what a crash may take.
 *
 * - Bytes that were not synced may be lost, kept or torn: see `DiskFile`.
 * - A change of names whose folder was not synced survives or not, each by itself, except that it
 *   takes along the earlier changes of the same names.
 * - Inode numbers are never used again.
 */
export class DiskImage {
  readonly #nowMs: () => number;
  #root = new DiskFolder(0);
  #unsynced: Unsynced[] = [];
  #nodes = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** What is there, or `undefined`. */
  find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.#root;
    for (const name of namesOf(path)) {
      if (node?.kind !== 'folder') return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  /** A file that is there. */
  file(path: string, operation: string): DiskFile {
    const { folder, name } = this.#parent(path, operation);
    const node = folder.entries.get(name);
    if (node === undefined) throw systemError('ENOENT', operation, path);
    if (node.kind === 'folder') throw systemError('EISDIR', operation, path);
    return node;
  }

  create(path: string): DiskFile {
    const { folder, name } = this.#parent(path, 'open');
    if (folder.entries.has(name)) throw systemError('EEXIST', 'open', path);
    const file = new DiskFile(this.#nextId());
    this.touch(file);
    this.#change([{ folder, name, node: file }]);
    return file;
  }

  touch(node: DiskNode): void {
    node.modifiedMs = this.#nowMs();
  }

  link(existing: string, fresh: string): void {
    const node = this.file(existing, 'link');
    const { folder, name } = this.#parent(fresh, 'link');
    if (folder.entries.has(name)) throw systemError('EEXIST', 'link', fresh);
    this.#change([{ folder, name, node }]);
  }

  rename(from: string, to: string): void {
    const source = this.#parent(from, 'rename');
    const node = source.folder.entries.get(source.name);
    if (node === undefined) throw systemError('ENOENT', 'rename', from);
    if (to.startsWith(`${from}/`)) throw systemError('EINVAL', 'rename', to);
    const target = this.#parent(to, 'rename');
    const replaced = target.folder.entries.get(target.name);
    // As in POSIX: two names of one file stay as they are.
    if (replaced === node) return;
    checkReplaceable(node, replaced, to);
    this.#change([
      { folder: source.folder, name: source.name, node: undefined },
      { folder: target.folder, name: target.name, node },
    ]);
  }

  remove(path: string): void {
    const place = this.#parentOrNone(path);
    const node = place?.folder.entries.get(place.name);
    if (place === undefined || node === undefined) return;
    if (node.kind === 'folder') throw systemError('EISDIR', 'unlink', path);
    this.#change([{ ...place, node: undefined }]);
  }

  removeFolder(path: string): void {
    const place = this.#parentOrNone(path);
    const node = place?.folder.entries.get(place.name);
    if (place === undefined || node?.kind !== 'folder') return;
    if (node.entries.size === 0) this.#change([{ ...place, node: undefined }]);
  }

  list(path: string): readonly (readonly [name: string, node: DiskNode])[] {
    const node = this.find(path);
    if (node?.kind === 'file' || this.#leadsThroughFile(path)) {
      throw systemError('ENOTDIR', 'scandir', path);
    }
    return node === undefined ? [] : [...node.entries];
  }

  makeFolder(path: string): void {
    let folder = this.#root;
    for (const name of namesOf(path)) {
      let next = folder.entries.get(name);
      if (next === undefined) {
        next = new DiskFolder(this.#nextId());
        this.touch(next);
        this.#change([{ folder, name, node: next }]);
      }
      if (next.kind === 'file') {
        throw systemError(path.endsWith(`/${name}`) ? 'EEXIST' : 'ENOTDIR', 'mkdir', path);
      }
      folder = next;
    }
  }

  syncFolder(path: string): void {
    const folder = this.#folderToSync(path);
    const synced = new Set<Unsynced>();
    for (const change of this.#unsynced) {
      if (change.some((each) => each.folder === folder)) synced.add(change);
    }
    this.#makeDurable(synced);
  }

  /** A failed sync: each change of the folder may have become durable. */
  syncFolderPartly(path: string, random: Random): void {
    const folder = this.#folderToSync(path);
    const synced = new Set<Unsynced>();
    for (const change of this.#unsynced) {
      if (!change.some((each) => each.folder === folder)) continue;
      if (random.next() < 0.5) synced.add(change);
    }
    this.#makeDurable(synced);
  }

  usedBytes(): number {
    return [...this.#files(this.#root, new Set())].reduce((sum, file) => sum + file.sizeBytes, 0);
  }

  /** Power fails: only what is on the platter is left, and of the rest what chance decides. */
  crash(random: Random): void {
    const survivalRate = [0, 0.5, 1][randomInt(random, 3)] ?? 0;
    const survivors = new Set<Unsynced>();
    for (const change of this.#unsynced) {
      if (random.next() < survivalRate) survivors.add(change);
    }
    this.#makeDurable(survivors);
    this.#unsynced = [];
    this.#comeBack(this.#root, random, new Set());
  }

  #comeBack(node: DiskNode, random: Random, seen: Set<DiskNode>): void {
    if (seen.has(node)) return;
    seen.add(node);
    if (node.kind === 'file') {
      node.crash(random);
      return;
    }
    node.entries.clear();
    for (const [name, each] of node.durable) {
      node.entries.set(name, each);
      this.#comeBack(each, random, seen);
    }
  }

  #change(changes: Unsynced): void {
    for (const { folder, name, node } of changes) {
      if (node === undefined) folder.entries.delete(name);
      else folder.entries.set(name, node);
      this.touch(folder);
    }
    this.#unsynced.push(changes);
    const oldest = this.#unsynced[0];
    if (this.#unsynced.length > UNSYNCED_MAX && oldest) this.#makeDurable(new Set([oldest]));
  }

  /** Makes changes durable, and with each the earlier ones of the same names. */
  #makeDurable(chosen: Set<Unsynced>): void {
    const names = new Map<DiskFolder, Set<string>>();
    for (const change of this.#unsynced.toReversed()) {
      const isNeeded = change.some(({ folder, name }) => names.get(folder)?.has(name));
      if (isNeeded) chosen.add(change);
      if (!chosen.has(change)) continue;
      for (const { folder, name } of change) {
        names.set(folder, (names.get(folder) ?? new Set()).add(name));
      }
    }
    for (const change of this.#unsynced) {
      if (!chosen.has(change)) continue;
      for (const { folder, name, node } of change) {
        if (node === undefined) folder.durable.delete(name);
        else folder.durable.set(name, node);
      }
    }
    this.#unsynced = this.#unsynced.filter((change) => !chosen.has(change));
  }

  #folderToSync(path: string): DiskFolder {
    const node = this.find(path);
    if (node === undefined) throw systemError('ENOENT', 'open', path);
    if (node.kind === 'file') throw systemError('ENOTDIR', 'open', path);
    return node;
  }

  #parentOrNone(path: string): { folder: DiskFolder; name: string } | undefined {
    const names = namesOf(path);
    const name = names.pop();
    let folder: DiskNode | undefined = this.#root;
    for (const each of names) {
      if (folder?.kind !== 'folder') return undefined;
      folder = folder.entries.get(each);
    }
    return name === undefined || folder?.kind !== 'folder' ? undefined : { folder, name };
  }

  #parent(path: string, operation: string): { folder: DiskFolder; name: string } {
    const place = this.#parentOrNone(path);
    if (place !== undefined) return place;
    throw systemError(this.#leadsThroughFile(path) ? 'ENOTDIR' : 'ENOENT', operation, path);
  }

  #leadsThroughFile(path: string): boolean {
    const names = namesOf(path).slice(0, -1);
    return names.some((_name, i) => this.find(names.slice(0, i + 1).join('/'))?.kind === 'file');
  }

  *#files(node: DiskNode, seen: Set<DiskNode>): Iterable<DiskFile> {
    if (seen.has(node)) return;
    seen.add(node);
    if (node.kind === 'file') yield node;
    else for (const each of node.entries.values()) yield* this.#files(each, seen);
  }

  #nextId(): number {
    this.#nodes += 1;
    return this.#nodes;
  }
}

function checkReplaceable(node: DiskNode, replaced: DiskNode | undefined, path: string): void {
  if (replaced === undefined) return;
  if (node.kind === 'file' && replaced.kind === 'folder')
    throw systemError('EISDIR', 'rename', path);
  if (node.kind === 'file') return;
  if (replaced.kind === 'file') throw systemError('ENOTDIR', 'rename', path);
  if (replaced.entries.size > 0) throw systemError('ENOTEMPTY', 'rename', path);
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}
