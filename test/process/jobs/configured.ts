/** Shows the settings with which it was built, and has one of its own. */
import { defineJob, print, settings as outside, setupCheckpointAndRecovery } from 'tidemark';
import { z } from 'zod';

const Settings = z.object({
  word: z.string().describe('what is printed'),
  times: z.int().min(1).default(1),
});

export default defineJob('configured', { settings: Settings }, (env, { settings, flink }) => {
  setupCheckpointAndRecovery(env, flink);
  const { parallelism, restartAttempts, taskStuckTimeoutMs } = outside.flink;
  const line = `${settings.word} ${parallelism} ${restartAttempts} ${taskStuckTimeoutMs}`;
  env
    .fromElements(
      'lines',
      Array.from({ length: settings.times }, () => line),
    )
    .sinkTo('out', print());
});
