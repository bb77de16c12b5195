import { Dialog } from '@graphiql/react';
import { useId, useState, type ReactNode, type SubmitEvent } from 'react';
import type { Sessions } from './session.js';

/** Signs in by e-mail address and password, or takes an API key. What the gateway refuses is shown in its own words. */
export function SignInDialog({ sessions, onClose }: { sessions: Sessions; onClose: () => void }) {
  const [way, setWay] = useState<'password' | 'apiKey'>('password');
  return (
    <Dialog open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <div className="graphiql-dialog-header">
        <Dialog.Title className="graphiql-dialog-title">Sign in</Dialog.Title>
        <Dialog.Close />
      </div>
      <Dialog.Description className="dialog-hint">Operations are then sent in your name. Closing this tab forgets it.</Dialog.Description>
      {way === 'password' ? (
        <CredentialForm action="Sign in" submit={(read) => sessions.signIn(read('email').trim(), read('password'))} onDone={onClose}>
          <Field name="email" label="E-mail address" type="email" autoComplete="username" />
          <Field name="password" label="Password" type="password" autoComplete="current-password" />
        </CredentialForm>
      ) : (
        <CredentialForm action="Use this key" submit={(read) => sessions.takeApiKey(read('apiKey').trim())} onDone={onClose}>
          <Field name="apiKey" label="API key" type="password" autoComplete="off" />
        </CredentialForm>
      )}
      <button type="button" className="graphiql-un-styled dialog-switch" onClick={() => setWay(way === 'password' ? 'apiKey' : 'password')}>
        {way === 'password' ? 'Use an API key instead' : 'Use e-mail address and password instead'}
      </button>
    </Dialog>
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
  const [isBusy, setBusy] = useState(false);
  const onSubmit = (event: SubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    submit((field) => textOf(form.get(field))).then(onDone, (error: unknown) => {
      setProblem(error instanceof TypeError ? 'The gateway does not answer.' : error instanceof Error ? error.message : String(error));
      setBusy(false);
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
      <button type="submit" className="dialog-action" disabled={isBusy}>
        {action}
      </button>
    </form>
  );
}

function Field({ name, label, type, autoComplete }: { name: string; label: string; type: string; autoComplete: string }) {
  const id = useId();
  return (
    <div className="dialog-field">
      <label htmlFor={id}>{label}</label>
      <input id={id} name={name} type={type} autoComplete={autoComplete} required />
    </div>
  );
}

const textOf = (value: FormDataEntryValue | null): string => (typeof value === 'string' ? value : '');
