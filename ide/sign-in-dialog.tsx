import { Dialog } from '@graphiql/react';
import { useId, useState, type ReactNode, type SubmitEvent } from 'react';
import { demo, type Demo } from './demo.js';
import { problemOf } from './gateway.js';
import { provider, startProviderSignIn } from './provider.js';
import type { Sessions } from './session.js';

/** Signs in with e-mail address and password, or with an API key. Shows the error message of the gateway. */
export function SignInDialog({ sessions, onClose }: { sessions: Sessions; onClose: () => void }) {
  const [method, setMethod] = useState<'password' | 'apiKey'>('password');
  return (
    <Dialog open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <div className="graphiql-dialog-header">
        <Dialog.Title className="graphiql-dialog-title">Sign in</Dialog.Title>
        <Dialog.Close />
      </div>
      <Dialog.Description className="dialog-hint">
        Operations run with your permissions. Closing this tab signs you out.
      </Dialog.Description>
      {provider && (
        <button type="button" className="dialog-action" onClick={() => void startProviderSignIn()}>
          Sign in with {provider.name}
        </button>
      )}
      {demo && <DemoAccounts demo={demo} sessions={sessions} onDone={onClose} />}
      {method === 'password' ? (
        <CredentialForm
          action="Sign in"
          submit={(read) => sessions.signIn(read('email').trim(), read('password'))}
          onDone={onClose}
        >
          <Field name="email" label="E-mail address" type="email" autoComplete="username" hasFocus />
          <Field name="password" label="Password" type="password" autoComplete="current-password" />
        </CredentialForm>
      ) : (
        <CredentialForm
          action="Use API key"
          submit={(read) => sessions.signInWithApiKey(read('apiKey').trim())}
          onDone={onClose}
        >
          <Field name="apiKey" label="API key" type="password" autoComplete="off" hasFocus />
        </CredentialForm>
      )}
      <button
        type="button"
        className="graphiql-un-styled dialog-switch"
        onClick={() => setMethod(method === 'password' ? 'apiKey' : 'password')}
      >
        {method === 'password' ? 'Use an API key instead' : 'Use e-mail and password instead'}
      </button>
    </Dialog>
  );
}

interface DemoAccountsProps {
  demo: Demo;
  sessions: Sessions;
  onDone: () => void;
}

/** A button for each account of the demo data. */
function DemoAccounts({ demo: { accounts, password }, sessions, onDone }: DemoAccountsProps) {
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <div className="dialog-demo" role="group" aria-label="Demo accounts">
      {accounts.map(({ email, role }) => (
        <button
          key={email}
          type="button"
          onClick={() =>
            void sessions.signIn(email, password).then(onDone, (error: unknown) => setProblem(problemOf(error)))
          }
        >
          {email} <span className="bar-role">{role}</span>
        </button>
      ))}
      {problem !== null && (
        <p className="dialog-problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

interface CredentialFormProps {
  action: string;
  submit: (read: (field: string) => string) => Promise<void>;
  onDone: () => void;
  children: ReactNode;
}

function CredentialForm({ action, submit, onDone, children }: CredentialFormProps) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isSubmitting, setSubmitting] = useState(false);
  const onSubmit = (event: SubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setSubmitting(true);
    submit((field) => textOf(form.get(field))).then(onDone, (error: unknown) => {
      setProblem(problemOf(error));
      setSubmitting(false);
    });
  };
  return (
    <form className="dialog-form" onSubmit={onSubmit}>
      {children}
      {problem !== null && (
        <p className="dialog-problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="dialog-action" disabled={isSubmitting}>
        {action}
      </button>
    </form>
  );
}

interface FieldProps {
  name: string;
  label: string;
  type: string;
  autoComplete: string;
  /** Whether the field has the focus once the form opens. */
  hasFocus?: boolean;
}

function Field({ label, hasFocus = false, ...input }: FieldProps) {
  const id = useId();
  return (
    <div className="dialog-field">
      <label htmlFor={id}>{label}</label>
      <input id={id} {...input} autoFocus={hasFocus} required />
    </div>
  );
}

const textOf = (value: FormDataEntryValue | null): string => (typeof value === 'string' ? value : '');
