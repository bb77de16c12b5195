import { DropdownMenu } from '@graphiql/react';
import { useState } from 'react';
import { createPortal } from 'react-dom';
import { ExamplesMenu } from './examples-menu.js';
import { graphqlUrl } from './gateway.js';
import type { Identity, Sessions } from './session.js';
import { SignInDialog } from './sign-in-dialog.js';

const sandboxUrl = `https://studio.apollographql.com/sandbox/explorer?endpoint=${encodeURIComponent(graphqlUrl)}`;
/** The gateway says in the page whether the Sandbox may call it. */
const isSandboxAllowed = document.documentElement.dataset.sandbox === 'true';

/** The line above GraphiQL: examples, the way to Apollo Sandbox, and who is signed in. It stands in the page's own header. */
export function Bar({ sessions, identity }: { sessions: Sessions; identity: Identity }) {
  const place = document.getElementById('bar');
  if (!place) return null;
  return createPortal(
    <>
      <strong className="bar-name">Auspex</strong>
      <ExamplesMenu identity={identity} sessions={sessions} />
      <span className="bar-space" />
      {isSandboxAllowed && (
        <a className="bar-link" href={sandboxUrl} target="_blank" rel="noreferrer" title="Opens this gateway in Apollo Sandbox; needs the internet">
          Apollo Sandbox ↗
        </a>
      )}
      <Account sessions={sessions} identity={identity} />
    </>,
    place,
  );
}

function Account({ sessions, identity }: { sessions: Sessions; identity: Identity }) {
  const [isOpen, setOpen] = useState(false);
  if (identity.kind === 'nobody') {
    return (
      <>
        {identity.notice !== null && <span className="bar-notice" role="status">{identity.notice}</span>}
        <button type="button" className="bar-button" onClick={() => setOpen(true)}>
          Sign in
        </button>
        {isOpen && <SignInDialog sessions={sessions} onClose={() => setOpen(false)} />}
      </>
    );
  }
  const { email, role } = identity.person;
  return (
    <DropdownMenu>
      <DropdownMenu.Button className="bar-account" aria-label={`Signed in as ${email}, ${role}`}>
        <span className="bar-email">{email}</span> <span className="bar-role">{role}</span>
        {identity.kind === 'apiKey' && <span className="bar-role">API key</span>}
        <span aria-hidden>▾</span>
      </DropdownMenu.Button>
      <DropdownMenu.Content align="end">
        <DropdownMenu.Item onSelect={() => void sessions.signOut()}>{identity.kind === 'apiKey' ? 'Forget the API key' : 'Sign out'}</DropdownMenu.Item>
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}
