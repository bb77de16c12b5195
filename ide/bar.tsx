import { DropdownMenu } from '@graphiql/react';
import { useState } from 'react';
import { createPortal } from 'react-dom';
import { ExamplesMenu } from './examples-menu.js';
import { graphqlUrl } from './gateway.js';
import type { Anonymous, Identity, Sessions } from './session.js';
import { SignInDialog } from './sign-in-dialog.js';

const sandboxUrl = `https://studio.apollographql.com/sandbox/explorer?endpoint=${encodeURIComponent(graphqlUrl)}`;
/** Set by the gateway according to its CORS policy. */
const isSandboxAllowed = document.documentElement.dataset.sandbox === 'true';

interface BarProps {
  sessions: Sessions;
  identity: Identity;
  /** Name of the operation to open, once. */
  openAtStart: string | null;
}

/** The toolbar above GraphiQL: examples, a link to Apollo Sandbox, and the account. Rendered into the header of the page. */
export function Bar({ sessions, identity, openAtStart }: BarProps) {
  const container = document.getElementById('bar');
  if (!container) return null;
  return createPortal(
    <>
      <a className="bar-name" href="graphql">
        Auspex
      </a>
      <ExamplesMenu identity={identity} sessions={sessions} openAtStart={openAtStart} />
      <span className="bar-space" />
      {isSandboxAllowed && (
        <a
          className="bar-link"
          href={sandboxUrl}
          target="_blank"
          rel="noreferrer"
          title="Open this gateway in Apollo Sandbox (requires internet access)"
        >
          Apollo Sandbox ↗
        </a>
      )}
      <Account sessions={sessions} identity={identity} />
    </>,
    container,
  );
}

function Account({ sessions, identity }: { sessions: Sessions; identity: Identity }) {
  if (identity.kind === 'anonymous') return <SignIn sessions={sessions} identity={identity} />;
  const { email, role } = identity.person;
  return (
    <DropdownMenu>
      <DropdownMenu.Button className="bar-account" aria-label={`Signed in as ${email}, ${role}`}>
        <span className="bar-email">{email}</span> <span className="bar-role">{role}</span>
        {identity.kind === 'apiKey' && <span className="bar-role">API key</span>}
        <span aria-hidden>▾</span>
      </DropdownMenu.Button>
      <DropdownMenu.Content align="end">
        <DropdownMenu.Item onSelect={() => void sessions.signOut()}>
          {identity.kind === 'apiKey' ? 'Remove API key' : 'Sign out'}
        </DropdownMenu.Item>
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}

/** Disappears when the user has signed in, and the dialog with it. */
function SignIn({ sessions, identity: { notice, step } }: { sessions: Sessions; identity: Anonymous }) {
  const [isOpen, setOpen] = useState(false);
  // A second step opens the dialog also if the sign-in began with the page.
  const leaveStep = (isOpenAfter: boolean): void => {
    setOpen(isOpenAfter);
    if (step) sessions.cancelSecondStep();
  };
  return (
    <>
      {notice !== null && (
        <span className="bar-notice" role="status">
          {notice}
        </span>
      )}
      <button type="button" className="bar-button" onClick={() => setOpen(true)}>
        Sign in
      </button>
      {(isOpen || step) && (
        <SignInDialog sessions={sessions} step={step} onBack={() => leaveStep(true)} onClose={() => leaveStep(false)} />
      )}
    </>
  );
}
