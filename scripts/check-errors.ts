// Every error code has a page, every page an error, and no code says two different things.
//
// A code is used where it is the first argument of `new …Error(`, of `super(` or of a function
// named …Error, or the `code` of an object literal.

import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

interface Use {
  readonly code: string;
  readonly where: string;
  /** As written in the source; undefined where the summary is not given beside the code. */
  readonly summary: string | undefined;
}

const ROOT = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, '..'));
const PAGES = 'docs/errors';
const CODE = /^[A-Z]{3}-\d{3}$/;
const SECTIONS = ['What happened', 'Usual causes', 'What to do'];

function problems(): string[] {
  const uses = sources().flatMap(usesIn);
  const pages = new Map(pageNames().map((code) => [code, readPage(code)]));
  return [
    ...uses
      .filter((use) => !pages.has(use.code))
      .map((use) => `${use.where}: ${use.code} has no page ${PAGES}/${use.code}.md`),
    ...[...pages].flatMap(([code, text]) => pageProblems(code, text, uses)),
    ...clashes(uses),
  ];
}

function sources(): string[] {
  return fs
    .readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => path.posix.join('src', name.replaceAll(path.sep, '/')));
}

function usesIn(file: string): Use[] {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  if (!/['"`][A-Z]{3}-\d{3}['"`]/.test(text)) return [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const uses: Use[] = [];
  const visit = (node: ts.Node): void => {
    const found = useAt(node);
    if (found !== undefined) {
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      uses.push({ ...found, where: `${file}:${line}` });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return uses;
}

function useAt(node: ts.Node): Omit<Use, 'where'> | undefined {
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'code') {
    const summary = node.parent.properties.find(
      (each) => ts.isPropertyAssignment(each) && each.name.getText() === 'summary',
    );
    const text = summary && ts.isPropertyAssignment(summary) ? summary.initializer : undefined;
    return useOf(node.initializer, text);
  }
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return undefined;
  const callee = node.expression;
  const name = ts.isPropertyAccessExpression(callee) ? callee.name.getText() : callee.getText();
  if (name !== 'super' && !/error$/i.test(name)) return undefined;
  const [code, , summary] = node.arguments ?? [];
  return code === undefined ? undefined : useOf(code, summary);
}

function useOf(
  code: ts.Expression,
  summary: ts.Expression | undefined,
): Omit<Use, 'where'> | undefined {
  if (!ts.isStringLiteralLike(code) || !CODE.test(code.text)) return undefined;
  const isText =
    summary !== undefined && (ts.isStringLiteralLike(summary) || ts.isTemplateExpression(summary));
  return { code: code.text, summary: isText ? summary.getText().slice(1, -1) : undefined };
}

function pageNames(): string[] {
  const folder = path.join(ROOT, PAGES);
  if (!fs.existsSync(folder)) return [];
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.md'));
  return names.map((name) => name.slice(0, -'.md'.length)).filter((name) => name !== 'README');
}

function readPage(code: string): string {
  return fs.readFileSync(path.join(ROOT, PAGES, `${code}.md`), 'utf8');
}

function pageProblems(code: string, text: string, uses: readonly Use[]): string[] {
  const page = `${PAGES}/${code}.md`;
  const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading?.trim());
  const missing = SECTIONS.filter((section) => !headings.includes(section));
  return [
    ...(CODE.test(code) ? [] : [`${page}: the name is not an error code`]),
    ...(text.startsWith(`# ${code}`) ? [] : [`${page}: the title does not begin with # ${code}`]),
    ...missing.map((section) => `${page}: section "## ${section}" is missing`),
    ...(uses.some((use) => use.code === code) ? [] : [`${page}: nothing in src/ uses ${code}`]),
  ];
}

function clashes(uses: readonly Use[]): string[] {
  const first = new Map<string, Use>();
  return uses.flatMap((use) => {
    if (use.summary === undefined) return [];
    const other = first.get(use.code) ?? use;
    first.set(use.code, other);
    if (other.summary === use.summary) return [];
    return [`${use.where}: ${use.code} has another summary at ${other.where}; take a new number`];
  });
}

const found = problems();
for (const problem of found) console.error(problem);
process.exitCode = found.length === 0 ? 0 : 1;
