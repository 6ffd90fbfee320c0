import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Child, ExitReason, Spawner } from './spawner.ts';

/**
 * Processes of this machine that run the same Node as this one, with the same options. What a program
 * is told comes to it as one line of JSON on its input, which ends when this process does: command
 * lines and environments can be read by others. What it prints goes where this process prints.
 *
 * @param programs The module of each program, by its name.
 */
export function nodeSpawner(programs: Readonly<Record<string, URL>>): Spawner {
  return {
    spawn(entry, args) {
      const program = programs[entry];
      if (program === undefined) {
        return notStarted(new TypeError(`there is no program ${entry}`));
      }
      return start(program, args);
    },
  };
}

function start(program: URL, args: unknown): Child {
  const options = process.execArgv.filter((option) => !option.startsWith('--inspect'));
  const child = spawn(process.execPath, [...options, fileURLToPath(program)], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  // A process that has ended before it has read what it was told: `exited` tells.
  child.stdin.on('error', () => undefined);
  child.stdin.write(`${JSON.stringify(args)}\n`);
  const exited = new Promise<ExitReason>((resolve) => {
    child.on('error', (error) => {
      // Also told when a signal could not be sent; only a process that never was has no id.
      if (child.pid === undefined) resolve({ kind: 'not-started', error });
    });
    child.on('exit', (exitCode, signal) => {
      resolve(
        signal === null ? { kind: 'exited', exitCode: exitCode ?? 0 } : { kind: 'killed', signal },
      );
    });
  });
  return {
    id: child.pid === undefined ? '' : `${child.pid}@${Date.now()}`,
    kill: () => {
      child.kill('SIGKILL');
    },
    exited,
  };
}

function notStarted(error: Error): Child {
  return {
    id: '',
    kill: () => undefined,
    exited: Promise.resolve({ kind: 'not-started', error }),
  };
}
