// Which room may import which. Read it top down: a room may import only what its row names.
// Type imports count. A new room needs a row here and a sentence in ARCHITECTURE.md.
const MAY_IMPORT = {
  common: [],
  serde: ['common'],
  metrics: ['common'],
  storage: ['common'],
  contracts: ['common', 'serde'],
  settings: ['common'],
  graph: ['common', 'serde', 'contracts'],
  state: ['common', 'serde', 'storage', 'contracts'],
  checkpoint: ['common', 'serde', 'storage', 'contracts', 'graph', 'state'],
  runtime: ['common', 'serde', 'metrics', 'contracts', 'graph', 'state', 'checkpoint'],
  operators: ['common', 'serde', 'contracts', 'graph', 'state', 'runtime'],
  api: ['common', 'serde', 'contracts', 'graph', 'state', 'settings'],
};
const BEFORE_CLUSTER = Object.keys(MAY_IMPORT);
Object.assign(MAY_IMPORT, { cluster: BEFORE_CLUSTER });
const ENGINE = Object.keys(MAY_IMPORT).filter((room) => room !== 'storage' && room !== 'settings');
Object.assign(MAY_IMPORT, {
  formats: ['common', 'serde'],
  connectors: ['common', 'serde', 'metrics', 'storage', 'contracts', 'formats', 'settings'],
  flink: ['common', 'serde', 'storage', 'contracts', 'graph', 'state', 'checkpoint', 'settings'],
  rest: ['common', 'metrics', 'graph', 'checkpoint', 'cluster', 'settings'],
  dashboard: ['common'],
  // A simulated job is submitted with settings, and its file sink's output is read as any user would.
  testing: [...ENGINE, 'storage', 'settings', 'connectors/file'],
});
const BEFORE_SERVICE = Object.keys(MAY_IMPORT).filter((room) => room !== 'testing');
Object.assign(MAY_IMPORT, { service: BEFORE_SERVICE });
const BEFORE_CLI = Object.keys(MAY_IMPORT);
Object.assign(MAY_IMPORT, { cli: BEFORE_CLI });

const ROOMS = Object.keys(MAY_IMPORT);
const TEST = '\\.test\\.ts$';

const roomRules = Object.entries(MAY_IMPORT).map(([room, allowed]) => ({
  name: `room-${room}`,
  severity: 'error',
  comment: `src/${room} may import: ${allowed.join(', ') || 'nothing'}. See ARCHITECTURE.md.`,
  from: { path: `^src/${room}/`, pathNot: TEST },
  to: { path: '^src/', pathNot: [`^src/${room}/`, ...allowed.map((name) => `^src/${name}/`)] },
}));

module.exports = {
  forbidden: [
    ...roomRules,
    {
      name: 'every-room-is-known',
      severity: 'error',
      comment:
        'Add the new room to MAY_IMPORT; beside the rooms only src/index.ts and src/config.ts may stand.',
      from: { path: '^src/', pathNot: [`^src/(${ROOMS.join('|')})/`, '^src/(index|config)\\.ts$'] },
      to: {},
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Modules that need each other are one module, or there is a third in them.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'The import leads nowhere.',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'connectors-stay-apart',
      severity: 'error',
      comment: 'A connector must not import another connector.',
      from: { path: '^src/connectors/([^/]+)/' },
      to: { path: '^src/connectors/', pathNot: '^src/connectors/$1/' },
    },
    {
      name: 'commands-load-late',
      severity: 'error',
      comment: 'A command loads what it needs by import() when it runs; only types come first.',
      // The service's own program needs it all.
      from: { path: '^src/cli/', pathNot: '^src/cli/job-manager-main\\.ts$' },
      to: {
        path: '^src/',
        pathNot: '^src/(cli|common)/',
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'clients-only-at-the-edge',
      severity: 'error',
      comment: 'Only the edge rooms use npm packages; the engine has none.',
      from: {
        path: `^src/(${ENGINE.join('|')})/`,
        pathNot: ['^src/serde/', '^src/state/rocksdb/'],
      },
      to: { path: 'node_modules' },
    },
    {
      name: 'serde-has-msgpackr',
      severity: 'error',
      comment: 'msgpackr is the one npm package of src/serde.',
      from: { path: '^src/serde/' },
      to: { path: 'node_modules', pathNot: 'node_modules/msgpackr/' },
    },
    {
      name: 'pure-rooms',
      severity: 'error',
      comment: 'These rooms decide; others do I/O. They run unchanged in a simulation.',
      from: { path: '^src/(serde|graph|checkpoint|api)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-undeclared-package',
      severity: 'error',
      comment: 'Add the package to package.json: as it is, it is there by luck.',
      from: { path: '^(src|bin)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
    {
      name: 'parquet-loads-late',
      severity: 'error',
      comment:
        "A job without Parquet must not pay for its libraries: they are behind 'tidemark/parquet'.",
      // Commands load what they need when they run: see commands-load-late.
      from: { path: '^src/index\\.ts$' },
      to: { path: 'node_modules/hyparquet', reachable: true },
    },
    {
      name: 's3-library-loads-late',
      severity: 'error',
      comment:
        "A job without S3 must not pay for AWS's library: it is loaded when something is asked.",
      from: { path: '^src/' },
      to: {
        path: 'node_modules/@aws-sdk/',
        dynamic: false,
        dependencyTypesNot: ['type-only', 'type-import'],
      },
    },
    {
      name: 'iceberg-loads-late',
      severity: 'error',
      comment:
        "A job without Iceberg must not pay for its libraries: they are behind 'tidemark/iceberg'.",
      // Commands load what they need when they run: see commands-load-late.
      from: { path: '^src/index\\.ts$' },
      to: { path: 'node_modules/avsc', reachable: true },
    },
    {
      name: 'kafka-loads-late',
      severity: 'error',
      comment:
        "A job that imports 'tidemark/kafka' and reads files in this run must not pay for its library.",
      from: { path: '^src/' },
      to: {
        path: 'node_modules/@platformatic/kafka',
        dynamic: false,
        dependencyTypesNot: ['type-only', 'type-import'],
      },
    },
    {
      name: 'avro-loads-late-for-kafka',
      severity: 'error',
      comment: 'Kafka without Avro must not pay for its codec: see avro-library.ts.',
      from: { path: '^src/connectors/kafka/' },
      to: {
        path: 'node_modules/avsc',
        dynamic: false,
        dependencyTypesNot: ['type-only', 'type-import'],
      },
    },
    {
      name: 'examples-are-users',
      severity: 'error',
      // The elements of a job need a schema, and zod is the library that the guides use.
      comment: 'An example imports what a user can: tidemark and its entries, zod, its own files.',
      from: { path: '^examples/' },
      to: {
        pathNot: [
          '^examples/',
          '^src/((testing/|connectors/iceberg/)?index|config|connectors/(file/parquet|kafka/kafka))\\.ts$',
          '^dist/((testing/|connectors/iceberg/)?index|config|connectors/(file/parquet|kafka/kafka))\\.',
          '(^|/)node_modules/zod/',
        ],
      },
    },
    {
      name: 'examples-use-the-package-name',
      severity: 'error',
      comment: "Write import … from 'tidemark'.",
      from: { path: '^examples/' },
      to: { path: '^(src|dist)/', dependencyTypesNot: ['aliased'] },
    },
    {
      name: 'nothing-imports-tools',
      severity: 'error',
      comment: 'What the package ships does not lean on tests, benches, scripts or examples.',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts|examples)/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', '^dist/'] },
    exclude: { path: TEST },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types'] },
    cache: { folder: '.cache/dependency-cruiser', strategy: 'content' },
  },
};
