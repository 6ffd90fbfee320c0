import type { Cancel } from '../../common/clock.ts';
import type {
  FileReader,
  FileStat,
  FileSystem,
  FileWriter,
  FolderEntry,
} from '../../common/file-system.ts';
import { randomInt, type Random } from '../../common/random.ts';
import { compareUtf8 } from '../../common/utf8-order.ts';
import type { DiskFile } from './disk-file.ts';
import { DiskImage, type DiskNode } from './disk-image.ts';
import type { Kernel } from './kernel.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { systemError } from './system-error.ts';

/** Operations that change a disk. Each one that is run is a write point. */
export type DiskWrite =
  | 'create'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'link'
  | 'rename'
  | 'remove'
  | 'removeFolder'
  | 'makeFolder'
  | 'syncFolder';

export type DiskOperation = DiskWrite | 'openWrite' | 'openRead' | 'read' | 'stat' | 'list';

/** What goes wrong, and when. */
export interface DiskFault {
  /** Which operations it meets. Default all. */
  readonly operations?: readonly DiskOperation[];
  /** Only paths that hold this text. Default all. */
  readonly path?: string;
  /** How many that fit pass first. Default 0. */
  readonly skip?: number;
  /** How many that fit it meets then. Default 1. */
  readonly times?: number;
  /**
   * `EIO`, `ENOSPC`, `EACCES` … A failing write leaves a part, a failing sync makes durable what
   * chance decides and forgets the rest. Without it the operation is slow only.
   */
  readonly errno?: string;
  /** The operation is done, and the error says otherwise. Default false. */
  readonly done?: boolean;
  /** How much longer it takes. Default 0. */
  readonly delayMs?: number;
}

/** A write point that a process was killed at. */
export interface CrashPoint {
  readonly writePoint: number;
  readonly operation: DiskWrite;
  readonly path: string;
  readonly process: SimulatedProcess;
}

/**
 * A disk of a simulation, shared by the processes that mount it. It forgets in a crash what was not
 * synced (see `DiskImage`), takes random time, and fails as planned.
 */
export class SimulatedDisk {
  readonly #kernel: Kernel;
  readonly #random: Random;
  readonly #name: string;
  readonly #image: DiskImage;
  readonly #mounted = new Set<SimulatedProcess>();
  #faults: Fault[] = [];
  #crashes: PlannedCrash[] = [];
  #capacityBytes: number | undefined;
  #writePoints = 0;

  constructor(kernel: Kernel, random: Random, name = 'disk') {
    this.#kernel = kernel;
    this.#random = random;
    this.#name = name;
    this.#image = new DiskImage(() => Math.floor(kernel.wallMs));
  }

  /** The disk as one process has it. */
  mount(process: SimulatedProcess): FileSystem {
    this.#mounted.add(process);
    process.onKill(() => this.#mounted.delete(process));
    return new MountedDisk(this.#image, (operation) => this.#run(process, operation));
  }

  /** Writing operations run so far, by all processes. */
  writePoints(): number {
    return this.#writePoints;
  }

  /**
   * Kills the process that comes to write point `n`, counted from 1: `before` it takes effect, or
   * `after`, when it never hears of it. What is not synced stays until `crash()`.
   */
  crashAt(n: number, moment: 'before' | 'after'): Promise<CrashPoint> {
    return new Promise((reached) => {
      this.#crashes.push({ n, moment, reached });
    });
  }

  /** The machine loses power: all processes on this disk die, and what was not synced is at risk. */
  crash(): void {
    for (const process of [...this.#mounted]) process.kill();
    this.#kernel.trace(`${this.#name} crash`);
    this.#image.crash(this.#random);
  }

  /** Plans a fault; what is returned takes it back. */
  fail(fault: DiskFault): Cancel {
    const planned = { ...fault, skip: fault.skip ?? 0, times: fault.times ?? 1 };
    this.#faults.push(planned);
    return () => {
      this.#faults = this.#faults.filter((each) => each !== planned);
    };
  }

  /** Limits what all files hold together; writes beyond end with `ENOSPC`. `undefined` lifts it. */
  setCapacityBytes(bytes: number | undefined): void {
    this.#capacityBytes = bytes;
  }

  usedBytes(): number {
    return this.#image.usedBytes();
  }

  /** Turns one bit of a stored file. */
  flip(path: string, bit: number): void {
    this.#kernel.trace(`${this.#name} flip ${path} ${bit}`);
    this.#image.file(path, 'flip').flip(bit);
  }

  /** All files with their sizes, for checks by a test. */
  files(folder = '/'): readonly { readonly path: string; readonly sizeBytes: number }[] {
    return this.#image
      .list(folder)
      .map(([name, node]) => ({ path: `${folder === '/' ? '' : folder}/${name}`, node }))
      .flatMap(({ path, node }) =>
        node.kind === 'folder' ? this.files(path) : [{ path, sizeBytes: node.sizeBytes }],
      )
      .sort((left, right) => compareUtf8(left.path, right.path));
  }

  /** One event for the effect, one for the answer: between the two the process may die. */
  #run<T>(process: SimulatedProcess, operation: Operation<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fault = this.#faultFor(operation);
      const answer = (settle: () => void): void => {
        process.schedule(`${operation.name} answered`, this.#latencyMs(), settle);
      };
      process.schedule(operation.name, this.#latencyMs() + (fault?.delayMs ?? 0), () => {
        const crash = this.#crashHere(process, operation);
        if (crash?.moment === 'before') return;
        try {
          const result = this.#perform(operation, fault);
          this.#traceOperation(process, operation, 'ok');
          if (crash === undefined) answer(() => resolve(result));
        } catch (error) {
          this.#traceOperation(process, operation, codeOf(error));
          const failure = error instanceof Error ? error : systemError('EIO', operation.name, '');
          if (crash === undefined) answer(() => reject(failure));
        }
        crash?.kill();
      });
    });
  }

  #perform<T>(operation: Operation<T>, fault: Fault | undefined): T {
    if (fault?.errno !== undefined) {
      if (fault.done) operation.effect();
      else operation.failure?.(this.#random);
      throw systemError(fault.errno, operation.name, operation.path);
    }
    const freeBytes = (this.#capacityBytes ?? Infinity) - this.#usedIfLimited();
    if (operation.growthBytes !== undefined && operation.growthBytes > freeBytes) {
      operation.failure?.(this.#random, Math.max(0, freeBytes));
      throw systemError('ENOSPC', operation.name, operation.path);
    }
    return operation.effect();
  }

  #usedIfLimited(): number {
    return this.#capacityBytes === undefined ? 0 : this.#image.usedBytes();
  }

  #faultFor(operation: Operation<unknown>): Fault | undefined {
    for (const fault of this.#faults) {
      if (fault.times === 0 || !fits(fault, operation)) continue;
      if (fault.skip > 0) {
        fault.skip -= 1;
        continue;
      }
      fault.times -= 1;
      return fault;
    }
    return undefined;
  }

  #crashHere(
    process: SimulatedProcess,
    { name, path }: Operation<unknown>,
  ): { moment: 'before' | 'after'; kill: () => void } | undefined {
    if (!isWrite(name)) return undefined;
    this.#writePoints += 1;
    const crash = this.#crashes.find((each) => each.n === this.#writePoints);
    if (crash === undefined) return undefined;
    const kill = (): void => {
      this.#crashes = this.#crashes.filter((each) => each !== crash);
      process.kill();
      crash.reached({ writePoint: crash.n, operation: name, path, process });
    };
    if (crash.moment === 'before') kill();
    return { moment: crash.moment, kill };
  }

  #traceOperation(process: SimulatedProcess, operation: Operation<unknown>, how: string): void {
    const size = operation.sizeBytes === undefined ? '' : ` ${operation.sizeBytes}`;
    process.trace(`${this.#name} ${operation.name} ${operation.path}${size} ${how}`);
  }

  /** Mostly a fraction of a millisecond, at times some. */
  #latencyMs(): number {
    return 0.01 + 3 * this.#random.next() ** 4;
  }
}

type Fault = DiskFault & { skip: number; times: number };

interface PlannedCrash {
  readonly n: number;
  readonly moment: 'before' | 'after';
  readonly reached: (point: CrashPoint) => void;
}

/** One call of a process, to be run when its time comes. */
interface Operation<T> {
  readonly name: DiskOperation;
  readonly path: string;
  readonly sizeBytes?: number;
  readonly growthBytes?: number;
  readonly effect: () => T;
  /** What a failure leaves, `doneBytes` of it if that is known. */
  readonly failure?: (random: Random, doneBytes?: number) => void;
}

type Runner = <T>(operation: Operation<T>) => Promise<T>;

class MountedDisk implements FileSystem {
  readonly #image: DiskImage;
  readonly #run: Runner;

  constructor(image: DiskImage, run: Runner) {
    this.#image = image;
    this.#run = run;
  }

  openWrite(path: string, mode: 'create' | 'append'): Promise<FileWriter> {
    return this.#run({
      name: mode === 'create' ? 'create' : 'openWrite',
      path,
      effect: () => {
        const file = mode === 'create' ? this.#image.create(path) : this.#image.file(path, 'open');
        return new MountedWriter(path, file, this.#image, this.#run);
      },
    });
  }

  openRead(path: string): Promise<FileReader> {
    const effect = (): FileReader => readerOf(path, this.#image.file(path, 'open'), this.#run);
    return this.#run({ name: 'openRead', path, effect });
  }

  readFile(path: string): Promise<Uint8Array> {
    const effect = (): Uint8Array => this.#image.file(path, 'read').read(0, Infinity);
    return this.#run({ name: 'read', path, effect });
  }

  stat(path: string): Promise<FileStat | undefined> {
    const effect = (): FileStat | undefined => statOf(this.#image.find(path));
    return this.#run({ name: 'stat', path, effect });
  }

  link(existing: string, fresh: string): Promise<void> {
    const effect = (): void => this.#image.link(existing, fresh);
    return this.#run({ name: 'link', path: fresh, effect });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run({ name: 'rename', path: to, effect: () => this.#image.rename(from, to) });
  }

  remove(path: string): Promise<void> {
    return this.#run({ name: 'remove', path, effect: () => this.#image.remove(path) });
  }

  removeFolder(path: string): Promise<void> {
    return this.#run({ name: 'removeFolder', path, effect: () => this.#image.removeFolder(path) });
  }

  list(folder: string): ReturnType<FileSystem['list']> {
    return this.#run({
      name: 'list',
      path: folder,
      effect: () =>
        this.#image
          .list(folder)
          .map(([name, node]): FolderEntry => ({ name, kind: node.kind }))
          .sort((left, right) => compareUtf8(left.name, right.name)),
    });
  }

  makeFolder(path: string): Promise<void> {
    return this.#run({ name: 'makeFolder', path, effect: () => this.#image.makeFolder(path) });
  }

  syncFolder(folder: string): Promise<void> {
    return this.#run({
      name: 'syncFolder',
      path: folder,
      effect: () => this.#image.syncFolder(folder),
      failure: (random) => this.#image.syncFolderPartly(folder, random),
    });
  }
}

class MountedWriter implements FileWriter {
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #image: DiskImage;
  readonly #run: Runner;
  #position: number;
  #isClosed = false;

  constructor(path: string, file: DiskFile, image: DiskImage, run: Runner) {
    this.#path = path;
    this.#file = file;
    this.#image = image;
    this.#run = run;
    this.#position = file.sizeBytes;
  }

  write(bytes: Uint8Array): Promise<void> {
    const put = (part: Uint8Array): void => {
      this.#check('write');
      this.#file.write(this.#position, part);
      this.#image.touch(this.#file);
      this.#position += part.length;
    };
    return this.#run({
      name: 'write',
      path: this.#path,
      sizeBytes: bytes.length,
      growthBytes: bytes.length,
      effect: () => put(bytes),
      failure: (random, doneBytes) =>
        put(bytes.subarray(0, doneBytes ?? randomInt(random, bytes.length + 1))),
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    const effect = (): void => {
      this.#check('ftruncate');
      this.#file.truncate(sizeBytes);
      this.#image.touch(this.#file);
      this.#position = sizeBytes;
    };
    return this.#run({ name: 'truncate', path: this.#path, sizeBytes, effect });
  }

  sync(): Promise<void> {
    return this.#run({
      name: 'sync',
      path: this.#path,
      effect: () => {
        this.#check('fsync');
        this.#file.sync();
      },
      failure: (random) => this.#file.failSync(random),
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #check(operation: string): void {
    if (this.#isClosed) throw systemError('EBADF', operation, this.#path);
  }
}

function readerOf(path: string, file: DiskFile, run: Runner): FileReader {
  let isClosed = false;
  return {
    sizeBytes: file.sizeBytes,
    fileId: fileIdOf(file),
    read: (offset, length) =>
      run({
        name: 'read',
        path,
        sizeBytes: length,
        effect: () => {
          if (isClosed) throw systemError('EBADF', 'read', path);
          return file.read(offset, length);
        },
      }),
    close: async () => {
      isClosed = true;
    },
  };
}

function statOf(node: DiskNode | undefined): FileStat | undefined {
  if (node === undefined) return undefined;
  const sizeBytes = node.kind === 'file' ? node.sizeBytes : 0;
  return { kind: node.kind, sizeBytes, modifiedMs: node.modifiedMs, fileId: fileIdOf(node) };
}

function fileIdOf(node: DiskNode): string {
  return `s${node.id}`;
}

function fits(fault: DiskFault, operation: Operation<unknown>): boolean {
  return (
    (fault.operations?.includes(operation.name) ?? true) &&
    (fault.path === undefined || operation.path.includes(fault.path))
  );
}

const READS: readonly DiskOperation[] = ['openWrite', 'openRead', 'read', 'stat', 'list'];

function isWrite(operation: DiskOperation): operation is DiskWrite {
  return !READS.includes(operation);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
