import { ApolloProvider } from '@apollo/client/react';
import { useEffect, useRef, useSyncExternalStore, type ReactNode } from 'react';
import { client } from './client.ts';
import { Employees } from './employees.tsx';
import { Role } from './generated/graphql.ts';
import { useConnection, type Connection } from './live.ts';
import { Predict } from './predict.tsx';
import { signOut, useSession, type User } from './session.ts';
import { SignIn } from './sign-in.tsx';

/** Shows the sign-in form, then the page selected by the URL hash. */
export function App(): ReactNode {
  const session = useSession();
  switch (session.phase) {
    case 'restoring':
      return (
        <p className="splash" role="status">
          Loading…
        </p>
      );
    case 'signedOut':
      return <SignIn reason={session.reason} />;
    case 'signedIn':
      return (
        <ApolloProvider client={client}>
          <SignedIn user={session.user} />
        </ApolloProvider>
      );
  }
}

const connectionTexts: Record<Connection, string> = { connecting: 'Connecting…', live: 'Live', offline: 'Offline' };

const roleTexts: Record<Role, string> = {
  [Role.Admin]: 'Administrator',
  [Role.Manager]: 'Manager',
  [Role.User]: 'User',
};

const pages = [
  { path: '#/employees', title: 'Employees', Page: Employees },
  { path: '#/predict', title: 'Predictions', Page: Predict },
] as const;

function SignedIn({ user }: { user: User }): ReactNode {
  const hash = useSyncExternalStore(watchHash, () => location.hash);
  const { path, title, Page } = pages.find((page) => page.path === hash) ?? pages[0];
  const connection = useConnection();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Auspex`;
    // Screen readers start at the heading, as after a page load.
    heading.current?.focus();
  }, [title]);

  return (
    <>
      <header className="bar">
        <div className="bar-inner">
          <span className="brand">Auspex</span>
          <nav aria-label="Pages">
            {pages.map((page) => (
              <a key={page.path} href={page.path} aria-current={page.path === path ? 'page' : undefined}>
                {page.title}
              </a>
            ))}
          </nav>
          <span className={`live is-${connection}`} role="status">
            {connectionTexts[connection]}
          </span>
          <span className="account" title={user.email}>
            {user.email}
          </span>
          <span className="badge">{roleTexts[user.role]}</span>
          <button type="button" className="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </header>
      {connection === 'offline' && (
        <p className="offline" role="alert">
          The gateway cannot be reached. What you see may be out of date; this page reconnects by itself.
        </p>
      )}
      <main>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <Page user={user} />
      </main>
    </>
  );
}

function watchHash(changed: () => void): () => void {
  window.addEventListener('hashchange', changed);
  return () => window.removeEventListener('hashchange', changed);
}
