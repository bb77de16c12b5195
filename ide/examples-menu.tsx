import { DropdownMenu, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { Kind, parse, type GraphQLSchema } from 'graphql';
import { useEffect, useMemo, useRef, useState } from 'react';
import {
  combinedExamples,
  generalExamples,
  modelExamples,
  subscriptionExamples,
  welcome,
  type Example,
  type ExampleModel,
} from './examples.js';
import { execute } from './gateway.js';
import { modelsQuery } from './operations.js';
import { identityKey, type Identity, type Sessions } from './session.js';

interface ExamplesMenuProps {
  sessions: Sessions;
  identity: Identity;
  /** Name of the general example to open, once. */
  openAtStart: string | null;
}

/** Menu of examples: predictions, general operations and subscriptions. */
export function ExamplesMenu({ sessions, identity, openAtStart }: ExamplesMenuProps) {
  const schema = useGraphiQL((state) => state.schema);
  const models = useModels(sessions, identity, schema);
  const open = useOpen();
  useOpenAtStart(openAtStart, schema, open);
  const groups = useMemo(
    () =>
      schema
        ? [
            {
              title: 'Predictions',
              examples: [...combinedExamples(schema, models ?? []), ...modelExamples(schema, models ?? [])],
            },
            { title: 'General', examples: generalExamples(schema) },
            { title: 'Subscriptions', examples: subscriptionExamples(schema) },
          ].filter(({ examples }) => examples.length > 0)
        : [],
    [schema, models],
  );

  return (
    <DropdownMenu>
      <DropdownMenu.Button className="bar-menu" disabled={groups.length === 0}>
        Examples <span aria-hidden>▾</span>
      </DropdownMenu.Button>
      <DropdownMenu.Content align="start" className="menu">
        {models?.length === 0 && (
          <p className="menu-hint">
            {identity.kind === 'anonymous'
              ? 'Sign in to see an example for each model.'
              : 'You have no access to models.'}
          </p>
        )}
        {groups.map(({ title, examples }) => (
          <div key={title} role="group" aria-label={title}>
            <div className="menu-title" aria-hidden>
              {title}
            </div>
            {examples.map((example) => (
              <DropdownMenu.Item key={example.title} onSelect={() => open(example)}>
                {example.title}
              </DropdownMenu.Item>
            ))}
          </div>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}

/** A model of the list; without a current version it cannot be served. */
type ListedModel = Omit<ExampleModel, 'current'> & { current: ExampleModel['current'] | null };

/** Models that the current user may call; null while loading. Reloaded when the schema changes, because it changes with the models. */
function useModels(sessions: Sessions, identity: Identity, schema: unknown): ExampleModel[] | null {
  const [models, setModels] = useState<ExampleModel[] | null>(null);
  const key = identityKey(identity);
  useEffect(() => {
    let isCurrent = true;
    const load = async (): Promise<ExampleModel[]> => {
      if (key === 'anonymous' || !schema) return [];
      const { models: loaded } = await execute<{ models: ListedModel[] }>(modelsQuery, {}, await sessions.headers());
      return loaded.filter((model): model is ExampleModel => model.current !== null);
    };
    void load()
      .catch(() => [])
      .then((loaded) => {
        if (isCurrent) setModels(loaded);
      });
    return () => {
      isCurrent = false;
    };
  }, [sessions, key, schema]);
  return models;
}

/** Opens the general example with the operation name once the schema and the editors are loaded. */
function useOpenAtStart(
  operation: string | null,
  schema: GraphQLSchema | null | undefined,
  open: (example: Example) => void,
): void {
  const isReady = useGraphiQL(({ queryEditor, variableEditor }) => Boolean(queryEditor && variableEditor));
  const isDone = useRef(operation === null);
  useEffect(() => {
    if (isDone.current || !schema || !isReady) return;
    isDone.current = true;
    const example = generalExamples(schema).find(({ query }) => factsOf(query).operationName === operation);
    if (example) open(example);
  });
}

/** Opens an example, in a new tab unless the current one is empty. */
function useOpen(): (example: Example) => void {
  const actions = useGraphiQLActions();
  const { queryEditor, variableEditor, hasText } = useGraphiQL((state) => ({
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
    hasText: !['', welcome.trim()].includes((state.tabs[state.activeTabIndex]?.query ?? '').trim()),
  }));
  return ({ query, variables }) => {
    if (hasText) actions.addTab();
    variableEditor?.setValue(variables);
    queryEditor?.setValue(query);
    // GraphiQL reads the editors after a delay; until then it would run the previous operation, and leave this one out of the history.
    const facts = factsOf(query);
    actions.setOperationFacts(facts);
    actions.updateActiveTabValues({ query, variables, operationName: facts.operationName ?? null });
    queryEditor?.focus();
  };
}

function factsOf(query: string) {
  const documentAST = parse(query);
  const operations = documentAST.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const name = operations[0]?.name?.value;
  return { documentAST, operations, ...(name === undefined ? {} : { operationName: name }) };
}
