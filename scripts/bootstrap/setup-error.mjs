/** The set-up cannot go on. The message says what happened and what the user can do. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';

  /**
   * @param {string} summary
   * @param {string} hint One sentence that starts with a verb.
   * @param {string} [output] What the failed program printed.
   */
  constructor(summary, hint, output = '') {
    const lines = output.trim().split('\n');
    const quoted = lines.slice(0, LINES_MAX).map((line) => `  | ${line}`);
    if (lines.length > LINES_MAX) quoted.push(`  | … and ${lines.length - LINES_MAX} lines more`);
    super([`setup: ${summary}`, ...(output === '' ? [] : quoted), `  ${hint}`].join('\n'));
  }
}

const LINES_MAX = 25;
