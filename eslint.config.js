import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { HOT_PATH_FILES, typedArrayNonNull } from './eslint.hot-path.js';

/** The world's edge: the only places which may touch time, chance and the event loop themselves. */
const WORLD_FILES = ['src/common/**', 'scripts/**', 'bench/**', 'test/process/**', 'bin/**'];

const CLOCK = 'Take a Clock from common/clock.ts, so that a simulation can own time.';
const RANDOM = 'Take a Random from common/random.ts, so that a seed replays the run.';
const ERROR = 'Throw an EngineError with a code, or assert().';
const CODE = 'Only files named codegen*.ts may make functions from text.';

const THROWN_ERROR = {
  selector: "ThrowStatement > NewExpression[callee.name='Error']",
  message: ERROR,
};
const EMPTY_DATE = {
  selector: "NewExpression[callee.name='Date'][arguments.length=0]",
  message: CLOCK,
};
const WORLD_IMPORTS = [
  {
    selector: 'ImportDeclaration[source.value=/^(node:)?(timers(.promises)?|perf_hooks)$/]',
    message: CLOCK,
  },
  {
    selector:
      'ImportDeclaration[source.value=/^(node:)?crypto$/] > ImportSpecifier[imported.name=/^(random|webcrypto)/]',
    message: RANDOM,
  },
];
const MADE_FUNCTION = [
  { selector: "NewExpression[callee.name='Function']", message: CODE },
  { selector: "CallExpression[callee.name='Function']", message: CODE },
];

export default defineConfig(
  { ignores: ['dist/', '.cache/', '.node/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-implied-eval': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'max-lines-per-function': ['error', { max: 70, skipComments: true, skipBlankLines: true }],
      'max-lines': ['error', { max: 500, skipComments: true, skipBlankLines: true }],
      'no-restricted-globals': [
        'error',
        ...[
          'setTimeout',
          'setInterval',
          'setImmediate',
          'clearTimeout',
          'clearInterval',
          'clearImmediate',
          'queueMicrotask',
          'performance',
        ].map((name) => ({ name, message: CLOCK })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: CLOCK },
        { object: 'process', property: 'nextTick', message: CLOCK },
        { object: 'process', property: 'hrtime', message: CLOCK },
        ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance'].map(
          (property) => ({ object: 'globalThis', property, message: CLOCK }),
        ),
        { object: 'Math', property: 'random', message: RANDOM },
        { object: 'crypto', property: 'randomUUID', message: RANDOM },
        { object: 'crypto', property: 'getRandomValues', message: RANDOM },
      ],
      'no-restricted-syntax': [
        'error',
        EMPTY_DATE,
        ...WORLD_IMPORTS,
        THROWN_ERROR,
        ...MADE_FUNCTION,
      ],
    },
  },
  {
    files: WORLD_FILES,
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-properties': 'off',
      'no-restricted-syntax': ['error', THROWN_ERROR, ...MADE_FUNCTION],
    },
  },
  {
    files: ['src/**/codegen*.ts'],
    rules: { 'no-restricted-syntax': ['error', EMPTY_DATE, ...WORLD_IMPORTS, THROWN_ERROR] },
  },
  {
    files: ['**/*.test.ts', 'test/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'no-restricted-imports': [
        'error',
        {
          name: 'fast-check',
          message: 'Take fc from test/support/property.ts, which has the seed.',
        },
      ],
    },
  },
  { files: ['test/support/property.ts'], rules: { 'no-restricted-imports': 'off' } },
  {
    // What a person reads on the terminal is written here; a script's failure needs no code.
    files: ['scripts/**', 'bench/**', 'examples/**', 'bin/**', 'src/cli/**'],
    rules: { 'no-console': 'off' },
  },
  {
    files: HOT_PATH_FILES,
    plugins: { tidemark: { rules: { 'typed-array-non-null': typedArrayNonNull } } },
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      'tidemark/typed-array-non-null': 'error',
    },
  },
  { files: ['**/*.{js,cjs,mjs}'], extends: [tseslint.configs.disableTypeChecked] },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
