import { useEffect, useState, type ReactNode, type SubmitEvent } from 'react';
import { textOf } from './form.ts';
import { problemOf } from './gateway.ts';
import { signIn } from './session.ts';

/** Offered by `npm run dev` (.env.development), for a gateway with demo data. */
const demoAccounts =
  import.meta.env.VITE_DEMO_ACCOUNTS === 'true' ? ['user@example.com', 'manager@example.com', 'admin@example.com'] : [];
const demoPassword = 'auspex-demo-2026';

/** Sign-in form. @param reason why the previous session ended, or null */
export function SignIn({ reason }: { reason: string | null }): ReactNode {
  const [attempt, setAttempt] = useState<{ phase: 'idle' | 'submitting' } | { phase: 'failed'; problem: string }>({
    phase: 'idle',
  });
  useEffect(() => {
    document.title = 'Sign in · Auspex';
  }, []);

  function submit(event: SubmitEvent<HTMLFormElement>): void {
    event.preventDefault();
    if (attempt.phase === 'submitting') return;
    const form = new FormData(event.currentTarget);
    const password = form.get('password');
    if (typeof password !== 'string') return;
    attemptSignIn(textOf(form, 'email'), password);
  }

  function attemptSignIn(email: string, password: string): void {
    setAttempt({ phase: 'submitting' });
    signIn(email, password).catch((error: unknown) => setAttempt({ phase: 'failed', problem: problemOf(error) }));
  }

  const problem = attempt.phase === 'failed' ? attempt.problem : attempt.phase === 'idle' ? reason : null;
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
        <button type="submit" className="primary" aria-disabled={attempt.phase === 'submitting'}>
          {attempt.phase === 'submitting' ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      {demoAccounts.length > 0 && (
        <section className="card" aria-labelledby="demo">
          <h2 id="demo">Demo accounts</h2>
          {demoAccounts.map((email) => (
            <button key={email} type="button" onClick={() => attemptSignIn(email, demoPassword)}>
              {email}
            </button>
          ))}
        </section>
      )}
    </main>
  );
}
