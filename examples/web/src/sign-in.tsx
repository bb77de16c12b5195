import { useEffect, useState, type ReactNode, type SubmitEvent } from 'react';
import { textOf } from './form.ts';
import { problemOf } from './gateway.ts';
import { signIn } from './session.ts';

/** Asks for e-mail address and password. `reason` says why, where a session has just ended. */
export function SignIn({ reason }: { reason: string | null }): ReactNode {
  const [attempt, setAttempt] = useState<{ phase: 'open' | 'asking' } | { phase: 'failed'; problem: string }>({ phase: 'open' });
  useEffect(() => {
    document.title = 'Sign in · Auspex';
  }, []);

  function submit(event: SubmitEvent<HTMLFormElement>): void {
    event.preventDefault();
    if (attempt.phase === 'asking') return;
    const form = new FormData(event.currentTarget);
    const password = form.get('password');
    if (typeof password !== 'string') return;
    setAttempt({ phase: 'asking' });
    signIn(textOf(form, 'email'), password).catch((error: unknown) => setAttempt({ phase: 'failed', problem: problemOf(error) }));
  }

  const problem = attempt.phase === 'failed' ? attempt.problem : attempt.phase === 'open' ? reason : null;
  return (
    <main className="sign-in">
      <h1>Sign in to Auspex</h1>
      <form className="card" onSubmit={submit}>
        <div className="field">
          <label htmlFor="email">E-mail address</label>
          <input id="email" name="email" type="email" autoComplete="username" required autoFocus />
        </div>
        <div className="field">
          <label htmlFor="password">Password</label>
          <input id="password" name="password" type="password" autoComplete="current-password" required />
        </div>
        <p className="problem" role="alert">
          {problem}
        </p>
        <button type="submit" className="primary" aria-disabled={attempt.phase === 'asking'}>
          {attempt.phase === 'asking' ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
