import { expect, it } from 'vitest';
import type { SubtaskView } from '../cluster/dispatcher/cluster.ts';
import { readerMetrics, subtaskMetrics, taskMetrics } from './metrics.ts';

const groups = [['KafkaSourceReader'], ['topic', 'a.b'], ['partition', '3']] as const;
const VIEW: SubtaskView = {
  ...{ subtask: 0, attempt: 0, status: 'RUNNING', taskManager: 'tm', startMs: 0, endMs: undefined },
  ...{ recordsIn: 1, recordsOut: 2, watermarkMs: 3, busy: 0, backPressured: 0, idle: 1 },
  reader: {
    uid: 'orders',
    metrics: [
      { name: 'pendingRecords', value: 17 },
      { name: 'currentOffset', value: 4, groups },
    ],
  },
};

it('tells what a source tells about itself as Flink does: in one name', () => {
  expect(subtaskMetrics(VIEW, 0).slice(taskMetrics(VIEW, 0).length)).toEqual([
    ['Source__orders.pendingRecords', 17],
    ['Source__orders.KafkaSourceReader.topic.a.b.partition.3.currentOffset', 4],
  ]);
});

it('tells Prometheus what it is about in labels', () => {
  expect(readerMetrics(VIEW)).toEqual([
    { labels: { operator_name: 'Source__orders' }, metric: ['pendingRecords', 17] },
    {
      labels: { operator_name: 'Source__orders', topic: 'a.b', partition: '3' },
      metric: ['KafkaSourceReader_topic_partition_currentOffset', 4],
    },
  ]);
  expect(readerMetrics({ ...VIEW, reader: undefined })).toEqual([]);
});
