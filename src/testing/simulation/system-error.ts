/** An error as Node's own of the file system. */
export function systemError(code: string, operation: string, path: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: simulated, ${operation} '${path}'`);
  return Object.assign(error, { code, syscall: operation, path });
}
