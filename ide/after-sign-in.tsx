import { useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { OperationTypeNode } from 'graphql';
import { useEffect, useRef } from 'react';
import { identityKey, type Identity } from './session.js';

/** Replaces an UNAUTHENTICATED error once the user has signed in: runs a query again, and clears any other operation's response. */
export function AfterSignIn({ identity }: { identity: Identity }) {
  const actions = useGraphiQLActions();
  const { responseEditor, operations, operationName } = useGraphiQL((state) => ({
    responseEditor: state.responseEditor,
    operations: state.operations,
    operationName: state.operationName,
  }));
  const key = identityKey(identity);
  const before = useRef(key);
  useEffect(() => {
    if (before.current === key) return;
    before.current = key;
    if (key === 'anonymous' || !responseEditor?.getValue().includes('"UNAUTHENTICATED"')) return;
    const operation = operations?.find(({ name }) => name?.value === operationName) ?? operations?.[0];
    if (operation?.operation === OperationTypeNode.QUERY) {
      actions.run();
      return;
    }
    responseEditor.setValue('');
    actions.updateActiveTabValues({ response: null });
  }, [key, actions, responseEditor, operations, operationName]);
  return null;
}
