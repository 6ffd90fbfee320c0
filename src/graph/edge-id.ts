import type { StreamEdge } from './operator-spec.ts';

/** Unique and stable: `<from operator>[/<output>]-><to operator>#<input>`. */
export function edgeId(edge: StreamEdge, to: string): string {
  const output = edge.output === undefined ? '' : `/${edge.output}`;
  return `${edge.from}${output}->${to}#${edge.input}`;
}
