import { expect, it } from 'vitest';
import { createProgressWords, ProgressWriter, tasksRunning } from './progress-words.ts';

function after(...steps: readonly number[]): readonly number[] {
  const memory = createProgressWords();
  const writer = new ProgressWriter(memory);
  for (const task of steps) writer.step(task);
  return tasksRunning(memory);
}

it.each([
  ['nothing has run', [], []],
  ['a task is stepped', [3], [3]],
  ['another one is', [3, 4], [4]],
  ['the turn is over', [3, 4, 3, 0], [3, 4]],
  ['only the last turn counts', [3, 4, 0, 5, 0], [5]],
  ['a turn in which nothing ran says nothing', [3, 0, 0], [3]],
])('%s', (_, steps, running) => {
  expect(after(...steps)).toEqual(running);
});

it('remembers a bounded number of tasks', () => {
  const many = Array.from({ length: 100 }, (_, n) => n + 1);
  expect(after(...many, 0)).toEqual(many.slice(0, 14));
});
