import { DropdownMenu, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { Kind, parse } from 'graphql';
import { useEffect, useMemo, useState } from 'react';
import { generalExamples, modelExamples, subscriptionExamples, welcome, type Example, type ExampleModel } from './examples.js';
import { ask } from './gateway.js';
import { modelsQuery } from './operations.js';
import { identityKey, type Identity, type Sessions } from './session.js';

/** Operations that run as they are: general ones, and one for each model. */
export function ExamplesMenu({ sessions, identity }: { sessions: Sessions; identity: Identity }) {
  const schema = useGraphiQL((state) => state.schema);
  const models = useModels(sessions, identity, schema);
  const open = useOpen();
  const groups = useMemo(
    () =>
      schema
        ? [
            { title: 'Predictions', examples: modelExamples(schema, models ?? []) },
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
        {models?.length === 0 && <p className="menu-hint">{identity.kind === 'nobody' ? 'Sign in for an example of each model.' : 'You may not ask models.'}</p>}
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

/** The models that who is signed in may ask, and null until they are known; asked for again when the schema changes, as it does with the models. */
function useModels(sessions: Sessions, identity: Identity, schema: unknown): ExampleModel[] | null {
  const [models, setModels] = useState<ExampleModel[] | null>(null);
  const key = identityKey(identity);
  useEffect(() => {
    let isCurrent = true;
    const load = async (): Promise<ExampleModel[]> => {
      if (key === 'nobody' || !schema) return [];
      const { models: loaded } = await ask<{ models: ExampleModel[] }>(modelsQuery, {}, await sessions.headers());
      return loaded;
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

/** Puts an example into the editor, in a tab of its own unless there is nothing of the user's in the present one. */
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
    // GraphiQL looks at the text a moment later; until then it would run the operation that was there before.
    actions.setOperationFacts(factsOf(query));
    queryEditor?.focus();
  };
}

function factsOf(query: string) {
  const documentAST = parse(query);
  const operations = documentAST.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const name = operations[0]?.name?.value;
  return { documentAST, operations, ...(name === undefined ? {} : { operationName: name }) };
}
