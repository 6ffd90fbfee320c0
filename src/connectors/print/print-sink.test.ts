import { expect, test } from 'vitest';
import { Simulation } from '../../testing/simulation/simulation.ts';
import { print } from './print-sink.ts';

function printed(identifier: string | undefined, parallelism: number, value: unknown): string[] {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const sink = print(identifier === undefined ? { write } : { identifier, write });
  const world = new Simulation({ seed: 1 }).process('job');
  const writer = sink.writer({ world, uid: 'u', subtask: 1, parallelism, writerId: 'w' });
  void writer.write(value, undefined);
  return lines;
}

test.each([
  [undefined, 1, 'x', 'x'],
  [undefined, 4, 'x', '2> x'],
  ['out', 1, 'x', 'out> x'],
  ['out', 4, 'x', 'out:2> x'],
  [undefined, 1, { a: 1n, b: [null] }, '{"a":"1","b":[null]}'],
  [undefined, 1, undefined, 'undefined'],
  [undefined, 1, 'two\nlines', 'two\nlines'],
])('%s, parallelism %d: %s is %s', (identifier, parallelism, value, line) => {
  expect(printed(identifier, parallelism, value)).toEqual([line]);
});
