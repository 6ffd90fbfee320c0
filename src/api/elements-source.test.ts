import { expect, it } from 'vitest';
import type { EnumeratorContext, ReaderContext, SourceReader } from '../contracts/source.ts';
import { elementsSource } from './elements-source.ts';

const source = elementsSource(5, (index) => `e${index}`);

/** One enumerator and the readers of `subtasks` subtasks, joined as the runtime joins them. */
function started(subtasks: number, restored?: { pending: boolean; splits: readonly number[] }) {
  const requests: number[] = [];
  const readers: SourceReader<string, number>[] = Array.from({ length: subtasks }, (_, subtask) =>
    source.reader({
      subtask,
      requestSplit: () => requests.push(subtask),
    } as unknown as ReaderContext),
  );
  const enumerator = source.enumerator(
    {
      assign: (split, subtask) => readers[subtask]?.addSplits([split]),
      noMoreSplits: (subtask) => readers[subtask]?.noMoreSplits(),
    } as EnumeratorContext<number>,
    restored?.pending,
  );
  if (restored !== undefined) readers[0]?.addSplits(restored.splits);
  for (const reader of readers) void reader.start();
  const answer = () => {
    for (const subtask of requests.splice(0)) enumerator.splitRequested(subtask);
  };
  answer();
  return { readers, enumerator, answer };
}

function read(reader: SourceReader<string, number> | undefined, limit: number, accepted = limit) {
  const values: string[] = [];
  const status = reader?.poll(
    {
      emit: (value) => values.push(value) < accepted,
      splitFinished: () => values.push('finished'),
    },
    limit,
  );
  return [status, ...values];
}

it('gives all elements in order to one subtask', () => {
  const { readers, answer } = started(2);
  expect(read(readers[1], 10)).toEqual(['end']);
  expect(read(readers[0], 3)).toEqual(['more', 'e0', 'e1', 'e2']);
  expect(read(readers[0], 3)).toEqual(['later', 'e3', 'e4', 'finished']);
  answer();
  expect(read(readers[0], 3)).toEqual(['end']);
});

it('goes on behind what was emitted', () => {
  const before = started(1);
  read(before.readers[0], 10, 2);
  const splits = before.readers[0]?.snapshot(1) ?? [];
  expect(splits).toEqual([2]);
  const { readers } = started(1, { pending: before.enumerator.snapshot(), splits });
  expect(read(readers[0], 10)).toEqual(['later', 'e2', 'e3', 'e4', 'finished']);
});

it('does not begin again once it has ended', () => {
  const { readers } = started(1, { pending: false, splits: [] });
  expect(read(readers[0], 10)).toEqual(['end']);
  expect(readers[0]?.snapshot(1)).toEqual([]);
});

it('wakes who waits for a split', async () => {
  const { readers } = started(0);
  expect(readers).toEqual([]);
  const reader = source.reader({ requestSplit: () => undefined } as unknown as ReaderContext);
  const waiting = reader.available();
  reader.addSplits([4]);
  await waiting;
  expect(read(reader, 10)).toEqual(['later', 'e4', 'finished']);
});
