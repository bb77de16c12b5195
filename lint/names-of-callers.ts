import type { Linter, Rule } from 'eslint';
import ts from 'typescript';

/** What typescript-eslint's parser adds. */
interface TypeServices {
  program: ts.Program;
  getTypeAtLocation(node: Rule.Node): ts.Type;
}

/**
 * A lookup of any name in a plain object finds what the object inherits: `record['constructor']` is a function. Names that callers
 * choose are looked up in a `Map`, or as own properties by `ownValue`.
 */
const ownNames: Rule.RuleModule = {
  meta: {
    type: 'problem',
    messages: {
      inherited:
        'A name such as "constructor" finds an inherited property. Use a Map, or ownValue of errors/own-value; assign by Object.fromEntries.',
    },
    schema: [],
  },
  create: (context) => {
    const services = context.sourceCode.parserServices as TypeServices;
    const checker = services.program.getTypeChecker();
    const typeOf = (node: unknown): ts.Type => services.getTypeAtLocation(node as Rule.Node);
    const isAnyName = (node: unknown): boolean => partsOf(typeOf(node)).some(({ flags }) => (flags & anyText) !== 0);
    const isRecord = (node: unknown): boolean =>
      partsOf(typeOf(node)).some(
        (type) =>
          !withoutPrototype.test(type.aliasSymbol?.name ?? '') &&
          checker.getIndexInfosOfType(type).some(({ keyType }) => (keyType.flags & ts.TypeFlags.String) !== 0),
      );
    const report = (node: Rule.Node): void => context.report({ node, messageId: 'inherited' });
    return {
      MemberExpression: (node) => {
        if (node.computed && isAnyName(node.property) && isRecord(node.object)) report(node);
      },
      BinaryExpression: (node) => {
        if (node.operator === 'in' && isAnyName(node.left)) report(node);
      },
      CallExpression: (node) => {
        const [, name] = node.arguments;
        if (name && isReflection(node.callee) && isAnyName(name)) report(node);
      },
    };
  },
};

/** Whether a call reads or writes a property by `Reflect`. */
const isReflection = (callee: { type: string; object?: unknown; property?: unknown }): boolean =>
  callee.type === 'MemberExpression' &&
  (callee.object as { name?: string }).name === 'Reflect' &&
  ['get', 'has', 'set'].includes((callee.property as { name?: string }).name ?? '');

/** A string that is no literal. */
const anyText = ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral | ts.TypeFlags.StringMapping;

/** graphql-js creates these without a prototype. */
const withoutPrototype = /^(?:ObjMap|GraphQL(?:Input)?Field(?:Config)?Map)$/;

const partsOf = (type: ts.Type): readonly ts.Type[] => (type.isUnion() ? type.types : [type]);

/** Programs, and code that looks up names of the schema, of models and of files when the gateway starts. */
const ignores = [
  'src/scripts/**',
  'src/config/**',
  'src/graphql/permissions/guard-schema.ts',
  'src/graphql/relay/node.ts',
  'src/graphql/schema/build-schema.ts',
  'src/graphql/subscriptions/event-sources.ts',
  'src/http/routes/graphiql.ts',
  'src/http/routes/landing-page.ts',
  'src/inference/repository/model-manifest.ts',
];

/** Checks code that may look up names of callers. */
export const callerNamesLint: Linter.Config[] = [
  {
    files: ['src/**/*.ts'],
    ignores,
    plugins: { auspex: { rules: { 'own-names': ownNames } } },
    rules: { 'auspex/own-names': 'error' },
  },
];
