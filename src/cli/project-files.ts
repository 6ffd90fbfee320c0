/** The files of a new project, by their names. */
import { PROJECT_SCRIPTS } from './project-scripts.ts';

export interface ProjectOptions {
  /** As package.json may have it. */
  readonly name: string;
  /** What package.json says of each. */
  readonly tidemark: string;
  readonly zod: string;
  readonly typescript: string;
}

export function projectFiles(options: ProjectOptions): Readonly<Record<string, string>> {
  return {
    'job.ts': JOB,
    'package.json': packageJson(options),
    'tsconfig.json': TSCONFIG,
    '.env': ENV,
    '.gitignore': GITIGNORE,
    'README.md': readme(options.name),
    ...PROJECT_SCRIPTS,
  };
}

function packageJson({ name, tidemark, zod, typescript }: ProjectOptions): string {
  const content = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    scripts: { start: 'tidemark run job.ts', check: 'tsc' },
    dependencies: { tidemark, zod },
    devDependencies: { typescript },
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

const JOB = `import { defineJob, print, setupCheckpointAndRecovery, valueState } from 'tidemark';
import { z } from 'zod';

const seen = valueState('seen', z.number());

export default defineJob('word-count', (env, { flink }) => {
  setupCheckpointAndRecovery(env, flink);
  env
    .fromElements('words', ['to', 'be', 'or', 'not', 'to', 'be'])
    .keyBy((word) => word)
    .process('count', { seen }, (word, { state, out }) => {
      const count = (state.seen.value() ?? 0) + 1;
      state.seen.update(count);
      out.emit(\`\${word} \${count}\`);
    })
    .sinkTo('counts', print());
});
`;

/** Node runs the files as they are: it takes types out, and nothing else. */
const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2023",
    "module": "nodenext",
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true,
    "skipLibCheck": true,
    "noEmit": true
  },
  "include": ["**/*.ts"]
}
`;

const ENV = `# The engine's settings, for everybody who runs this project. What is in .env.local, which git does not
# see, or in the environment wins.
FLINK_PARALLELISM=2
FLINK_CHECKPOINT_INTERVAL_MS=10000
`;

const GITIGNORE = `node_modules/
.env.local
.tidemark/
out/
`;

function readme(name: string): string {
  return `# ${name}

A job for Tidemark, stateful stream processing in TypeScript.

\`\`\`sh
npm install     # once
npm start       # runs job.ts
npm run check   # checks its types
\`\`\`

\`job.ts\` counts words. Each operator has a name of its own (\`words\`, \`count\`, \`counts\`), by which its state is
found again: kill the job while it runs, and the next \`npm start\` goes on from its last checkpoint, which is in
\`.tidemark/checkpoints\`. \`npm start -- --fresh\` begins anew.

\`scripts/\` has what deployments and cron need: \`trigger_savepoint.sh <job>\`, \`restore_from_savepoint.sh <path>\` and
\`create-savepoint.sh <job>\`, for jobs that a service runs (\`npx tidemark service start\`, \`npx tidemark run -d job.ts\`).

Settings are in \`.env\`; \`npm start -- -p 4\` or \`npm start -- -D execution.checkpointing.interval=1s\` set one for
once.
`;
}
