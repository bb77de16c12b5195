import { ApolloProvider } from '@apollo/client/react';
import { useEffect, useRef, useSyncExternalStore, type ReactNode } from 'react';
import { client } from './client.ts';
import { Employees } from './employees.tsx';
import { useIsLive } from './live.ts';
import { Price } from './price.tsx';
import { signOut, useSession, type User } from './session.ts';
import { SignIn } from './sign-in.tsx';

/** Signs in, and then shows the page that the address names. */
export function App(): ReactNode {
  const session = useSession();
  switch (session.phase) {
    case 'restoring':
      return <p className="splash" role="status">Loading…</p>;
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

const pages = [
  { path: '#/employees', title: 'Employees', Page: Employees },
  { path: '#/price', title: 'Car price', Page: Price },
] as const;

function SignedIn({ user }: { user: User }): ReactNode {
  const hash = useSyncExternalStore(watchHash, () => location.hash);
  const { path, title, Page } = pages.find((page) => page.path === hash) ?? pages[0];
  const isLive = useIsLive();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Auspex`;
    // As after the load of a page, those who listen to it begin at its heading.
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
          <span className={isLive ? 'live is-on' : 'live'}>{isLive ? 'Live' : 'Connecting…'}</span>
          <span className="who" title={user.email}>
            {user.email}
          </span>
          <button type="button" className="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </header>
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
