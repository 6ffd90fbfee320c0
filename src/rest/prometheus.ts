/** `GET /metrics`: the text that Prometheus reads, with the names and labels of Flink's reporter. */
import type { Cluster, JobView } from '../cluster/dispatcher/cluster.ts';
import { flinkId } from './flink-ids.ts';
import { clusterMetrics, jobMetrics, type Metrics, readerMetrics, taskMetrics } from './metrics.ts';

type Labels = Readonly<Record<string, string>>;

/** A name has its samples in one place: Prometheus refuses text in which it comes up twice. */
type Samples = Map<string, string[]>;

export function prometheusText(cluster: Cluster, host: string, nowMs: number): string {
  const samples: Samples = new Map();
  add(samples, 'flink_jobmanager', { host }, clusterMetrics(cluster, nowMs));
  for (const job of cluster.jobs()) {
    const labels = { job_id: job.jobId, host, job_name: job.jobName };
    add(samples, 'flink_jobmanager_job', labels, jobMetrics(job, nowMs));
    addTasks(samples, job, labels, nowMs);
  }
  return [...samples].map(([name, lines]) => `# TYPE ${name} gauge\n${lines.join('')}`).join('');
}

function addTasks(samples: Samples, job: JobView, labels: Labels, nowMs: number): void {
  for (const { id, name } of job.plan.vertices) {
    for (const view of job.subtasks(id)) {
      const ofTask = {
        ...labels,
        task_id: flinkId(id),
        task_name: name,
        task_attempt_num: String(view.attempt),
        subtask_index: String(view.subtask),
        tm_id: view.taskManager ?? '',
      };
      add(samples, 'flink_taskmanager_job_task', ofTask, taskMetrics(view, nowMs));
      for (const { labels: more, metric } of readerMetrics(view)) {
        add(samples, 'flink_taskmanager_job_task_operator', { ...ofTask, ...more }, [metric]);
      }
    }
  }
}

function add(samples: Samples, prefix: string, labels: Labels, metrics: Metrics): void {
  const told = Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}",`)
    .join('');
  for (const [name, value] of metrics) {
    const number = numberOf(value);
    if (number === undefined) continue;
    const full = `${prefix}_${name.replace(/[^a-zA-Z0-9]/g, '_')}`;
    const lines = samples.get(full) ?? [];
    lines.push(`${full}{${told}} ${number}\n`);
    samples.set(full, lines);
  }
}

/** Texts other than truth values have no number; Flink says 0 for a path, which tells nothing. */
function numberOf(value: number | string): number | undefined {
  if (typeof value === 'number') return value;
  return value === 'true' ? 1 : value === 'false' ? 0 : undefined;
}

function escaped(value: string): string {
  return value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
}
