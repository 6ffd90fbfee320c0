/**
 * Files of the record path, in which `!` may stand behind an index into a typed array: the check
 * that `noUncheckedIndexedAccess` asks for would cost more than the work itself. Add a file only
 * together with the benchmark that shows the need.
 */
export const HOT_PATH_FILES = [
  'src/connectors/kafka/source/record-cursor.ts',
  'src/serde/bytes.ts',
  'src/state/row-order.ts',
  'src/state/table-snapshot.ts',
  'src/state/table.ts',
];

const TYPED_ARRAY = /^(Buffer|(Big)?(Int|Uint|Float)(8|16|32|64)(Clamped)?Array)$/;

/** `bytes[index]!` is allowed, every other `!` is not. */
export const typedArrayNonNull = {
  meta: {
    type: /** @type {const} */ ('problem'),
    schema: [],
    messages: { refused: '`!` stands only behind an index into a typed array: handle undefined.' },
  },
  /** @param {import('eslint').Rule.RuleContext} context */
  create(context) {
    const services = context.sourceCode.parserServices;
    return {
      /** @param {any} node */
      TSNonNullExpression(node) {
        const { expression } = node;
        if (expression.type === 'MemberExpression' && expression.computed) {
          const symbol = services.getTypeAtLocation(expression.object).getSymbol();
          if (TYPED_ARRAY.test(symbol?.name ?? '')) return;
        }
        context.report({ node, messageId: 'refused' });
      },
    };
  },
};
