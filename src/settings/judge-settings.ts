/**
 * What is wrong with settings that are right one by one, and what is worth a word at the start. Both
 * look at what is in force in the end: after the job's code and `-D`.
 */
import { EngineError } from '../common/errors.ts';
import { FLINK_SETTINGS, type FlinkSettings, type SettingName } from './flink-settings.ts';
import { problemList, type SettingProblem } from './problem.ts';

/**
 * Refuses values that exclude each other.
 *
 * @throws {EngineError} `SET-008` (`invalid`) with all of them.
 */
export function requireConsistent(config: FlinkSettings): void {
  const problems = conflictsOf(config);
  if (problems.length === 0) return;
  throw new EngineError('SET-008', 'invalid', 'settings exclude each other', {
    details: { count: problems.length },
    hint: `Correct ${problemList(problems)}`,
  });
}

function conflictsOf(config: FlinkSettings): SettingProblem[] {
  const problem = (name: SettingName, accepts: string): SettingProblem => ({
    name: FLINK_SETTINGS[name].key,
    got: String(config[name]),
    accepts,
  });
  const problems: SettingProblem[] = [];
  if (config.heartbeatTimeoutMs <= config.heartbeatIntervalMs)
    problems.push(
      problem('heartbeatTimeoutMs', `more than heartbeat.interval=${config.heartbeatIntervalMs}`),
    );
  if (config.exponentialDelayMaxBackoffMs < config.exponentialDelayInitialBackoffMs)
    problems.push(
      problem(
        'exponentialDelayMaxBackoffMs',
        `no less than the initial backoff, ${config.exponentialDelayInitialBackoffMs}`,
      ),
    );
  const { leaseDurationMs, leaseRenewDeadlineMs, leaseRenewIntervalMs } = config;
  if (leaseRenewDeadlineMs >= leaseDurationMs)
    problems.push(
      problem('leaseRenewDeadlineMs', `less than the lease-duration, ${leaseDurationMs}`),
    );
  if (leaseRenewIntervalMs * 2 > leaseRenewDeadlineMs)
    problems.push(
      problem(
        'leaseRenewIntervalMs',
        `at most half of the renew-deadline, ${leaseRenewDeadlineMs}`,
      ),
    );
  if (config.unalignedCheckpoints && config.checkpointMode === 'AT_LEAST_ONCE')
    problems.push(problem('unalignedCheckpoints', 'true only with the mode EXACTLY_ONCE'));
  if (config.unalignedCheckpoints && config.maxConcurrentCheckpoints > 1)
    problems.push(problem('maxConcurrentCheckpoints', '1 with unaligned checkpoints'));
  for (const name of ['checkpointStorage', 'savepointDirectory'] as const) {
    const isHostless = config[name]?.toLowerCase().startsWith('hdfs:///') === true;
    if (isHostless && config.hdfsDefaultFs === undefined)
      problems.push(problem(name, 'a host behind hdfs://, or fs.defaultFS that names it'));
  }
  return problems;
}

const PRODUCTION: readonly unknown[] = ['production', 'cdc-production', 'operator'];

/** What a user should know before the job runs. */
export function startWarnings(config: FlinkSettings): string[] {
  const isProduction = PRODUCTION.includes(config.preset);
  const warnings: string[] = [];
  if (isProduction && config.restartStrategy === 'none')
    warnings.push('restart-strategy.type is none: the first failure ends the job');
  if (config.checkpointIntervalMs === 0) {
    warnings.push(
      'checkpoints are off (execution.checkpointing.interval is 0): after a failure the job starts over',
    );
    return warnings;
  }
  const { checkpointIntervalMs: intervalMs, minPauseBetweenCheckpointsMs: pauseMs } = config;
  if (intervalMs < pauseMs)
    warnings.push(
      `execution.checkpointing.interval is ${intervalMs} ms, but a checkpoint comes each ${pauseMs} ms at best: execution.checkpointing.min-pause is longer`,
    );
  if (config.checkpointIntervalMs <= 1000 && config.incrementalCheckpoints === false)
    warnings.push(
      `execution.checkpointing.interval is ${config.checkpointIntervalMs} ms with full snapshots: the job may do little else; use an incremental backend or a longer interval`,
    );
  if (config.checkpointTimeoutMs <= 60_000)
    warnings.push(
      `execution.checkpointing.timeout is ${config.checkpointTimeoutMs} ms: checkpoints of a large state may never complete`,
    );
  return [...warnings, ...storageWarnings(config, isProduction)];
}

function storageWarnings(config: FlinkSettings, isProduction: boolean): string[] {
  const { checkpointStorage: storage } = config;
  const isLocal = storage === undefined || !/^(s3a?|hdfs):/i.test(storage);
  if (isProduction && isLocal)
    return [
      `checkpoints go to ${storage ?? 'the data folder'}, which is lost with this machine: set execution.checkpointing.dir to a storage that outlives it`,
    ];
  if (storage === undefined && config.preset !== 'development')
    return [
      'no checkpoint storage is set: checkpoints go to .tidemark/checkpoints in the working folder; execution.checkpointing.dir says where else',
    ];
  return [];
}
