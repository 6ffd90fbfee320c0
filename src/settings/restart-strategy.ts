import type { SettingValues } from './flink-settings.ts';

/** The restart strategy that settings describe, as the JobManager takes it. */
export type RestartStrategySettings =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'fixed-delay';
      readonly attemptsMax: number;
      readonly delayMs: number;
      readonly firstImmediate: boolean;
    }
  | {
      readonly kind: 'failure-rate';
      readonly failuresMax: number;
      readonly intervalMs: number;
      readonly delayMs: number;
    }
  | {
      readonly kind: 'exponential-delay';
      readonly initialMs: number;
      readonly maxMs: number;
      readonly multiplier: number;
      readonly resetThresholdMs: number;
      readonly jitter: number;
      readonly attemptsMax: number;
    };

export function restartStrategyOf(values: SettingValues): RestartStrategySettings {
  switch (values.restartStrategy) {
    case 'none':
      return { kind: 'none' };
    case 'fixed-delay':
      return {
        kind: 'fixed-delay',
        attemptsMax: values.restartAttempts,
        delayMs: values.restartDelayMs,
        firstImmediate: values.restartFirstAttemptImmediate,
      };
    case 'failure-rate':
      return {
        kind: 'failure-rate',
        failuresMax: values.failureRateMaxFailures,
        intervalMs: values.failureRateIntervalMs,
        delayMs: values.failureRateDelayMs,
      };
    case 'exponential-delay':
      return {
        kind: 'exponential-delay',
        initialMs: values.exponentialDelayInitialBackoffMs,
        maxMs: values.exponentialDelayMaxBackoffMs,
        multiplier: values.exponentialDelayMultiplier,
        resetThresholdMs: values.exponentialDelayResetThresholdMs,
        jitter: values.exponentialDelayJitter,
        attemptsMax: values.exponentialDelayAttempts,
      };
  }
}
