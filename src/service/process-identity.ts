import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

/**
 * What tells a process from every other that has had its number, also before the machine's last start:
 * undefined if there is none.
 */
export function startOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in brackets, may hold anything; behind it come the state and, as the 22nd field, the start.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot}/${fields[19] ?? ''}`;
  } catch {
    return fs.existsSync('/proc/self/stat') ? undefined : startByPs(pid);
  }
}

function startByPs(pid: number): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.trim() === '' ? undefined : text.trim();
  } catch {
    return undefined;
  }
}

/** Clock ticks of a second in `/proc`, on all platforms of Node. */
const TICKS_PER_SECOND = 100;

/** When a process has started, by the wall clock and to about a second; undefined where that is not told. */
export function startedMs(pid: number): number | undefined {
  const ticks = Number(startOf(pid)?.split('/')[1]);
  try {
    const [, boot] = /^btime (\d+)$/m.exec(fs.readFileSync('/proc/stat', 'latin1')) ?? [];
    const ms = (Number(boot) + ticks / TICKS_PER_SECOND) * 1_000;
    return Number.isFinite(ms) ? ms : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where the numbers of processes mean what they mean here: the machine since its start, and the container.
 * Undefined if it cannot be told.
 */
export function pidSpace(): string | undefined {
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot}/${fs.readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

/**
 * Whether a process is certainly over. False if it lives, and also where that cannot be told: it is
 * another machine's or container's, or not to be seen from here.
 */
export function isCertainlyGone(process_: {
  readonly pid: number;
  readonly processStart: string;
  readonly pidSpace: string | undefined;
}): boolean {
  const here = pidSpace();
  if (here === undefined || process_.pidSpace !== here) return false;
  try {
    process.kill(process_.pid, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return true;
  }
  // It is there, or has just ended, or another one has its number.
  const start = startOf(process_.pid);
  if (start !== undefined) return start !== process_.processStart;
  return isZombie(process_.pid);
}

function isZombie(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
