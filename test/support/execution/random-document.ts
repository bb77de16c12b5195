import fc from 'fast-check';
import { fieldName, objectNames } from './random-schema.js';

/** A selection; fields of types without selections, and fields that a type does not have, are omitted by `documentOf`. */
const maxFields = 5;

const condition = fc.constantFrom(
  ...['', '', '', '', '', ''],
  ' @include(if: $yes)',
  ' @skip(if: $yes)',
  ' @include(if: $no)',
  ' @skip(if: true)',
  ' @include(if: $maybe)',
  ' @skip(if: $no) @include(if: $yes)',
);

/** Random text of a document whose root is a query or a mutation. It may select what a type does not have, which executors skip. */
export const documentArbitrary: fc.Arbitrary<string> = fc
  .record({
    operation: fc.constantFrom('query', 'query', 'query', 'mutation'),
    selection: selectionSet(4),
    fragments: fc.array(fc.record({ on: fc.constantFrom(...objectNames, 'Node', 'Any'), selection: selectionSet(2) }), {
      minLength: 2,
      maxLength: 2,
    }),
  })
  .map(({ operation, selection, fragments }) =>
    [
      `${operation} ($yes: Boolean!, $no: Boolean = false, $maybe: Boolean, $x: Int, $y: String = "default") ${selection}`,
      ...fragments.map(({ on, selection: inside }, index) => `fragment F${index} on ${on} ${inside}`),
    ].join('\n'),
  );

/** The variables of these documents. */
export const variablesArbitrary = fc.record(
  {
    yes: fc.boolean(),
    no: fc.boolean(),
    maybe: fc.option(fc.boolean()),
    x: fc.integer({ min: 0, max: 9 }),
    y: fc.option(fc.string()),
  },
  { requiredKeys: ['yes'] },
);

function selectionSet(depth: number): fc.Arbitrary<string> {
  const field = fc
    .record({
      alias: fc.constantFrom('', '', 'a: ', 'b: ', '__proto__: '),
      name: fc.constantFrom('__typename', 'id', ...Array.from({ length: maxFields }, (_, index) => fieldName(index))),
      args: fc.constantFrom('', '', '', '(x: 1)', '(x: $x)', '(x: $x, y: $y)', '(x: null)'),
      directives: condition,
      inside: depth > 1 ? selectionSet(depth - 1) : fc.constant('{ __typename }'),
    })
    .map(({ alias, name, args, directives, inside }) =>
      name.startsWith('f') ? `${alias}${name}${args}${directives} ${inside}` : `${alias}${name}${directives}`,
    );
  const inline = fc
    .record({
      on: fc.constantFrom('', ...objectNames, 'Node', 'Any').map((name) => (name === '' ? '' : ` on ${name}`)),
      directives: condition,
      inside: field,
    })
    .map(({ on, directives, inside }) => `...${on}${directives} { ${inside} }`);
  // Fragments spread none, so that there are no cycles.
  const spread =
    depth > 2
      ? [
          fc
            .record({ name: fc.constantFrom('F0', 'F1'), directives: condition })
            .map(({ name, directives }) => `...${name}${directives}`),
        ]
      : [];
  return fc
    .array(
      fc.oneof(
        { weight: 6, arbitrary: field },
        { weight: 1, arbitrary: inline },
        ...spread.map((arbitrary) => ({ weight: 1, arbitrary })),
      ),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    .map((selections) => `{ ${selections.join(' ')} }`);
}
