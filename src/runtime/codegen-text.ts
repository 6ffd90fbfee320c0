/** Pieces of the text of generated chains. */

/** A method that runs `call` with the moment at `t`. */
export function atMoment(
  moment: string,
  signature: string,
  call: string,
  end: '' | ',' = '',
): string[] {
  return [
    `${signature} {`,
    ...indent([
      `const before = ${moment}.timestampMs;`,
      `${moment}.timestampMs = t;`,
      call,
      `${moment}.timestampMs = before;`,
    ]),
    `}${end}`,
  ];
}

/** `keyGroupOf(hash)`; for a power of two without the division. */
export function keyGroupText(hash: string, maxParallelism: number): string {
  const isPower = (maxParallelism & (maxParallelism - 1)) === 0;
  if (!isPower) return `keyGroupOf(${hash}, ${maxParallelism})`;
  return `(${hash} < 0 ? -${hash} : ${hash}) & ${maxParallelism - 1}`;
}

/** A string literal of ASCII only: it can neither end a line nor a comment. */
export function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
