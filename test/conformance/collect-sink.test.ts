import { collect } from '../../src/connectors/collect/collect-sink.ts';
import { conformsAsSink, type NumberedValue } from './sink.ts';

conformsAsSink('the collect sink', () => {
  const collected = collect<NumberedValue>();
  return { sink: () => collected, visible: async () => collected.values() };
});
