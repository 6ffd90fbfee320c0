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
    const quoted = output
      .trim()
      .split('\n')
      .slice(-LINES_MAX)
      .map((line) => `  | ${line}`);
    super([`setup: ${summary}`, ...(output === '' ? [] : quoted), `  ${hint}`].join('\n'));
  }
}

const LINES_MAX = 40;
