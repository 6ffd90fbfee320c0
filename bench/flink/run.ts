import { spawn } from 'node:child_process';

/** Runs a command to its end. */
export async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const failure = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => {
      resolve(code === 0 ? undefined : `exit code ${String(code ?? signal)}`);
    });
  });
  if (failure !== undefined) throw new BenchError(`${command} ${args.join(' ')}: ${failure}`);
}

/** Something that a benchmark needs is not there or does not work. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
