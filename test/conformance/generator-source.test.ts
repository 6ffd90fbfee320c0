import { fromElements, generate } from '../../src/connectors/generator/generator-source.ts';
import { conformsAsSource } from './source.ts';

const nothing = async (): Promise<void> => undefined;

conformsAsSource('generate', () => ({
  prepare: nothing,
  source: () => generate(37, (index) => index * 2),
  expected: Array.from({ length: 37 }, (_, index) => index * 2),
}));

conformsAsSource('generate with a rate', () => ({
  prepare: nothing,
  source: () => generate(10, (index) => index, { rowsPerSecond: 1_000 }),
  expected: Array.from({ length: 10 }, (_, index) => index),
}));

conformsAsSource('fromElements', () => ({
  prepare: nothing,
  source: () => fromElements(['a', 'b', 'c', 'd', 'e']),
  expected: ['a', 'b', 'c', 'd', 'e'],
}));
