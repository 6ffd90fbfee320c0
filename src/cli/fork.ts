import type { RunArguments } from './run-arguments.ts';

/**
 * `tidemark fork`: runs a job of its own that begins with the state of another one, which goes on undisturbed.
 * Everything else is as for `tidemark run`.
 */
export async function forkCommand(
  snapshot: string,
  file: string,
  jobArguments: readonly string[],
  options: Omit<RunArguments, 'forkOf'>,
): Promise<number> {
  const { absolute, isPath } = await import('./open-snapshot.ts');
  const forkOf = isPath(snapshot) ? absolute(snapshot, process.cwd()) : snapshot;
  if (options.detached === true) {
    const { runDetachedCommand } = await import('./run-detached.ts');
    return runDetachedCommand(file, jobArguments, { ...options, forkOf });
  }
  const { runCommand } = await import('./run.ts');
  return runCommand(file, jobArguments, { ...options, forkOf });
}
