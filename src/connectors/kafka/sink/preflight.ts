/**
 * Whether transactions live as long as they must, found out before the job starts and not when its first
 * output is lost.
 *
 * A transaction is open from its first record to the commit, that is: for one checkpoint interval, the
 * checkpoint itself, and however long the job is down in between.
 */
import { sleep } from '../../../common/clock.ts';
import type { PreflightContext } from '../../../contracts/sink.ts';
import { KafkaClient } from '../client/kafka-client.ts';
import { library } from '../client/library.ts';
import type { KafkaSinkPlan } from './sink-options.ts';
import { noCheckpoints, timeoutAboveBroker, timeoutBelowCheckpoints } from './errors.ts';

const MAX_TIMEOUT = 'transaction.max.timeout.ms';
/** A job must not wait long for a broker that does not answer. */
const LOOK_MS_MAX = 5_000;
/** What a restart takes: the failure is noticed, processes start, state is restored. */
const RESTART_MS = 60_000;
/** Barrier, snapshot and commit of a checkpoint that nothing is wrong with. */
const CHECKPOINT_MS = 10_000;

type Times = Pick<
  PreflightContext,
  'checkpointIntervalMs' | 'checkpointTimeoutMs' | 'minPauseBetweenCheckpointsMs'
>;

/** @throws {EngineError} `KAF-057` to `KAF-059` */
export async function preflightKafkaSink(
  context: PreflightContext,
  plan: KafkaSinkPlan<never>,
): Promise<readonly string[]> {
  const warnings = checkTimeout(plan.transactionTimeoutMs, context);
  const { world, uid } = context;
  const client = new KafkaClient({ access: plan.access, world, clientId: `${uid}-preflight` });
  try {
    const late = sleep(world.clock, LOOK_MS_MAX).then(() => undefined);
    const brokerMs = await Promise.race([longestTimeout(client), late]);
    if (brokerMs !== undefined && plan.transactionTimeoutMs > brokerMs) {
      throw timeoutAboveBroker(plan.transactionTimeoutMs, brokerMs);
    }
    if (brokerMs === undefined) warnings.push(`${MAX_TIMEOUT} of the brokers could not be read.`);
    return warnings;
  } finally {
    await client.close();
  }
}

/** Of the timeout and the checkpoints alone. @throws {EngineError} `KAF-058`, `KAF-059` */
export function checkTimeout(timeoutMs: number, times: Times): string[] {
  const { checkpointIntervalMs, checkpointTimeoutMs, minPauseBetweenCheckpointsMs } = times;
  if (checkpointIntervalMs === 0) throw noCheckpoints();
  const betweenMs = Math.max(checkpointIntervalMs, minPauseBetweenCheckpointsMs);
  const neededMs = betweenMs + CHECKPOINT_MS;
  if (timeoutMs < neededMs)
    throw timeoutBelowCheckpoints(timeoutMs, neededMs, checkpointIntervalMs);
  const slowMs = betweenMs + checkpointTimeoutMs + RESTART_MS;
  if (timeoutMs >= slowMs) return [];
  return [
    `transactions end after ${timeoutMs} ms. A checkpoint that takes as long as it may (${checkpointTimeoutMs} ms) and a restart after it may take ${slowMs} ms: its output would be lost. Raise transactionTimeoutMs, or lower execution.checkpointing.timeout.`,
  ];
}

/** Undefined: the broker does not answer, or not to this user. */
async function longestTimeout(client: KafkaClient): Promise<number | undefined> {
  try {
    await client.metadata([]);
    const [nodeId] = client.brokerIds;
    if (nodeId === undefined) return undefined;
    const { ConfigResourceTypes, describeConfigsV4 } = library();
    const resource = {
      resourceType: ConfigResourceTypes.BROKER,
      resourceName: String(nodeId),
      configurationKeys: [MAX_TIMEOUT],
    };
    const { results } = await client.call({
      to: { kind: 'broker', nodeId },
      doing: 'read the settings of a broker',
      send: (connection) => describeConfigsV4.api.async(connection, [resource], false, false),
    });
    const value = results[0]?.configs.find(({ name }) => name === MAX_TIMEOUT)?.value;
    return value === undefined || value === null ? undefined : Number(value);
  } catch {
    return undefined;
  }
}
