/** One value that cannot be used. */
export interface SettingProblem {
  /** As the user wrote it: the variable, the key or the argument. */
  readonly name: string;
  readonly got: string;
  readonly accepts: string;
}

/** One line for each, to stand behind a verb in a hint. */
export function problemList(problems: readonly SettingProblem[]): string {
  const lines = problems.map(({ name, got, accepts }) => `${name}=\`${got}\`: accepts ${accepts}`);
  const [first = ''] = lines;
  return lines.length === 1 ? first : `these:\n${lines.map((line) => `    ${line}`).join('\n')}`;
}
