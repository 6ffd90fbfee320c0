/** Shells that complete what is typed: the real ones, on a terminal. */
import { spawn, spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { REPOSITORY } from './tidemark-process.ts';

export type ShellName = 'bash' | 'zsh' | 'fish';

/** Long enough to fetch some megabytes of a Debian package. */
export const SHELL_SETUP_MS = 300_000;

/**
 * Whether the shell is there. Where packages of Debian may be installed it is from then on.
 */
export function hasShell(name: ShellName): boolean {
  if (isThere(name)) return true;
  if (process.getuid?.() !== 0 || !isThere('apt-get')) return false;
  const waits = ['-o', 'DPkg::Lock::Timeout=120', '--quiet'];
  const install = ['install', '--yes', '--no-install-recommends', name];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], install]) {
    const { status, stderr } = spawnSync('apt-get', [...waits, ...args], { encoding: 'utf8', env });
    if (status !== 0) throw new TypeError(`apt-get ${args.join(' ')} failed: ${stderr}`);
  }
  return isThere(name);
}

function isThere(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

export interface Typed {
  readonly isThere: boolean;
  /** What the shell has shown. */
  readonly shown: string;
}

const ARGV: Readonly<Record<ShellName, readonly string[]>> = {
  bash: ['bash', '--norc', '--noprofile', '-i'],
  zsh: ['zsh', '-f', '-i'],
  fish: ['fish', '--no-config', '-i'],
};

/** Types `keys` into a shell that has run `setup`, until it shows all texts. */
export async function typeInto(
  shell: ShellName,
  typed: { readonly setup: string; readonly keys: string; readonly until: readonly string[] },
  env: Readonly<Record<string, string>>,
): Promise<Typed> {
  const terminal = { TERM: 'xterm', LANG: 'C.UTF-8', COLUMNS: '200', LINES: '50' };
  const input = JSON.stringify({ argv: ARGV[shell], env: { ...terminal, ...env }, ...typed });
  const script = `${REPOSITORY}/test/support/type_in_shell.py`;
  const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  const [shown, code] = await Promise.all([text(child.stdout), ended]);
  return { isThere: code === 0, shown };
}
