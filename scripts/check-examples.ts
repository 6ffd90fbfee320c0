// Every example in the documentation compiles: the ```ts blocks of Markdown pages, and the blocks and
// one-line examples of JSDoc comments in src/.
//
// Each becomes a module of its own in one program. An example that imports something stands as it
// is. One that imports nothing gets what it names: from the page's earlier examples, from `tidemark`
// and zod, from the file in which it stands, and from scripts/example-names.ts, in this order. A
// block that is wrong or partial on purpose is marked ```ts no-check.

import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

interface Example {
  /** Of the file in which it stands, from the project's root. */
  readonly file: string;
  /** The line of its first line in that file, from 1. */
  readonly line: number;
  readonly text: string;
}

interface Module {
  readonly example: Example;
  readonly path: string;
  /** What it declares at its top, for later examples of the page. */
  readonly names: readonly string[];
  /** One line of imports, the example, and its exports. */
  readonly text: string;
}

/** Where a name comes from: the text after `from`. */
type Names = ReadonlyMap<string, string>;

const ROOT = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '..'));
const FOLDER = path.join(ROOT, '.cache', 'examples');
const PACKAGES = {
  tidemark: 'src/index.ts',
  'tidemark/config': 'src/config.ts',
  'tidemark/iceberg': 'src/connectors/iceberg/index.ts',
  'tidemark/kafka': 'src/connectors/kafka/kafka.ts',
  'tidemark/parquet': 'src/connectors/file/parquet.ts',
  'tidemark/testing': 'src/testing/index.ts',
};
const SAMPLE_NAMES = 'scripts/example-names.ts';

const FENCE = /^[^\S\n]*(?:\* )?[^\S\n]*```ts([^\n`]*)\n([\s\S]*?)^[^\S\n]*(?:\* )?[^\S\n]*```$/gm;
const ONE_LINE = /@example (?:[^\n`]* )?`([^`\n]+)`/g;

function check(): string[] {
  const given = namesGiven();
  const modules = [...pages(), ...sources()].flatMap((file) => modulesOf(file, given));
  const texts = new Map(modules.map((module) => [module.path, module]));
  const options = compilerOptions();
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram({
    rootNames: [...texts.keys()],
    options,
    host: {
      ...host,
      directoryExists: (name) => name === FOLDER || ts.sys.directoryExists(name),
      fileExists: (name) => texts.has(name) || host.fileExists(name),
      readFile: (name) => texts.get(name)?.text ?? host.readFile(name),
      getSourceFile: (name, target, ...rest) => {
        const module = texts.get(name);
        if (module === undefined) return host.getSourceFile(name, target, ...rest);
        return ts.createSourceFile(name, module.text, target);
      },
    },
  });
  console.log(`${modules.length} examples`);
  return modules.flatMap((module) => problemsOf(program, module));
}

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), (name) =>
    ts.sys.readFile(name),
  ) as { readonly config: { readonly compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
  // An example shows a declaration without using it, and exports types as what they are.
  const relaxed = { noUnusedLocals: false, noUnusedParameters: false, isolatedModules: false };
  const { tsBuildInfoFile: _, ...kept } = options;
  return {
    ...kept,
    ...relaxed,
    verbatimModuleSyntax: false,
    incremental: false,
    allowJs: false,
    checkJs: false,
    configFilePath: path.join(ROOT, 'tsconfig.json'),
  };
}

function pages(): string[] {
  return [...fs.readdirSync(ROOT), ...filesBelow('docs')].filter((name) => name.endsWith('.md'));
}

function sources(): string[] {
  return filesBelow('src').filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
}

function filesBelow(folder: string): string[] {
  const names = fs.readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names.map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/'))).sort();
}

function examplesIn(file: string): Example[] {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  if (file.endsWith('.md')) return blocksIn(file, text, 0);
  return [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap((comment) => {
    const oneLine = [...comment[0].matchAll(ONE_LINE)].map((match) => ({
      file,
      line: lineAt(text, comment.index + match.index),
      text: match[1] ?? '',
    }));
    return [...oneLine, ...blocksIn(file, comment[0], lineAt(text, comment.index) - 1)];
  });
}

function blocksIn(file: string, text: string, linesBefore: number): Example[] {
  return [...text.matchAll(FENCE)].flatMap((block) => {
    const [, info = '', body = ''] = block;
    if (info.trim() === 'no-check') return [];
    const line = linesBefore + lineAt(text, block.index) + 1;
    return [{ file, line, text: file.endsWith('.md') ? body : body.replaceAll(/^\s*\* ?/gm, '') }];
  });
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

/** What an example may name without importing it, from the least important on. */
function namesGiven(): Map<string, string> {
  const given = namesFrom(SAMPLE_NAMES, relative(SAMPLE_NAMES));
  for (const [name, file] of Object.entries(PACKAGES).reverse()) {
    for (const [exported] of namesFrom(file, name)) given.set(exported, name);
  }
  return given.set('z', 'zod');
}

function namesFrom(file: string, from: string): Map<string, string> {
  const source = parse(file, fs.readFileSync(path.join(ROOT, file), 'utf8'));
  return new Map(source.statements.flatMap(exportsOf).map((name) => [name, from]));
}

function exportsOf(statement: ts.Statement): string[] {
  if (ts.isExportDeclaration(statement)) {
    const clause = statement.exportClause;
    if (clause === undefined || !ts.isNamedExports(clause)) return [];
    return clause.elements.map(({ name }) => name.text);
  }
  const isExported =
    ts.canHaveModifiers(statement) &&
    ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  return isExported === true ? declaredBy(statement) : [];
}

function declaredBy(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => namesIn(name));
  }
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  return isNamed && statement.name !== undefined ? [statement.name.text] : [];
}

function namesIn(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((each) => (ts.isOmittedExpression(each) ? [] : namesIn(each.name)));
}

function modulesOf(file: string, given: Names): Module[] {
  const examples = examplesIn(file);
  if (examples.length === 0) return [];
  const known = new Map(given);
  if (file.endsWith('.ts')) {
    for (const [name, from] of namesFrom(file, relative(file))) {
      if (!Object.values(PACKAGES).includes(file) && !isPublic(given, name)) known.set(name, from);
    }
  }
  return examples.map((example) => {
    const module = moduleOf(example, known);
    if (file.endsWith('.md')) {
      for (const name of module.names) known.set(name, `./${path.basename(module.path)}`);
    }
    return module;
  });
}

function isPublic(given: Names, name: string): boolean {
  return Object.keys(PACKAGES).includes(given.get(name) ?? '');
}

function relative(file: string): string {
  return path.posix.join('../..', file);
}

function moduleOf(example: Example, known: Names): Module {
  const name = `${example.file.replaceAll(/[^\w]/g, '-')}-${example.line}.ts`;
  const source = parse(name, example.text);
  const declared = source.statements.flatMap(declaredBy);
  const exported = new Set(source.statements.flatMap(exportsOf));
  const isComplete = source.statements.some(ts.isImportDeclaration);
  const imports = isComplete ? [] : importsOf(source, new Set(declared), known);
  const hidden = [...new Set(declared)].filter((each) => !exported.has(each));
  return {
    example,
    path: path.join(FOLDER, name),
    names: [...new Set(declared)],
    text: `${imports.join(' ')}\n${example.text}\nexport { ${hidden.join(', ')} };\n`,
  };
}

function importsOf(source: ts.SourceFile, declared: ReadonlySet<string>, known: Names): string[] {
  const used = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && !declared.has(node.text)) used.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...used].flatMap((name) => {
    const from = known.get(name);
    return from === undefined ? [] : [`import { ${name} } from '${from}';`];
  });
}

function parse(name: string, text: string): ts.SourceFile {
  return ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
}

function problemsOf(program: ts.Program, { path: name, example }: Module): string[] {
  const source = program.getSourceFile(name);
  const diagnostics = [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ];
  return diagnostics.map(({ file, start, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line - 1;
    const message = ts.flattenDiagnosticMessageText(messageText, '\n');
    return `${example.file}:${example.line + Math.max(0, line)}: ${message}`;
  });
}

const found = check();
for (const problem of found) console.error(problem);
process.exitCode = found.length === 0 ? 0 : 1;
