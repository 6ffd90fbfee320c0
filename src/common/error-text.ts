/** The message; for what is no error of ours, with its stack, and with all causes. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.name === 'EngineError' ? error.message : (error.stack ?? error.message);
  return error.cause === undefined ? own : `${own}\nCaused by: ${errorText(error.cause)}`;
}
