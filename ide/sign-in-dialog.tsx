import { Dialog } from '@graphiql/react';
import { useState } from 'react';
import { CredentialForm, Field } from './credential-form.js';
import { demo, type Demo } from './demo.js';
import { problemOf } from './gateway.js';
import { provider, startProviderSignIn } from './provider.js';
import { SecondStepForm, secondStepTexts } from './second-step-form.js';
import type { SecondStep, Sessions } from './session.js';

interface SignInDialogProps {
  sessions: Sessions;
  step: SecondStep | null;
  /** Returns from the second step to the credentials. */
  onBack: () => void;
  onClose: () => void;
}

/** Signs in; the dialog disappears with the anonymous identity. */
export function SignInDialog({ sessions, step, onBack, onClose }: SignInDialogProps) {
  const { title, hint } = step ? secondStepTexts[step.kind] : credentialTexts;
  // Recovery codes are shown once: only the button that confirms them closes the dialog.
  const canClose = step?.kind !== 'recoveryCodes';
  return (
    <Dialog open onOpenChange={(isOpen) => !isOpen && canClose && onClose()}>
      <div className="graphiql-dialog-header">
        <Dialog.Title className="graphiql-dialog-title">{title}</Dialog.Title>
        {canClose && <Dialog.Close />}
      </div>
      <Dialog.Description className="dialog-hint">{hint}</Dialog.Description>
      {step ? <SecondStepForm sessions={sessions} step={step} onBack={onBack} /> : <Credentials sessions={sessions} />}
    </Dialog>
  );
}

const credentialTexts = {
  title: 'Sign in',
  hint: 'Operations run with your permissions. Closing this tab signs you out.',
};

/** The first step: e-mail address and password, an API key, the identity provider or a demo account. */
function Credentials({ sessions }: { sessions: Sessions }) {
  const [method, setMethod] = useState<'password' | 'apiKey'>('password');
  return (
    <>
      {provider && (
        <button type="button" className="dialog-action" onClick={() => void startProviderSignIn()}>
          Sign in with {provider.name}
        </button>
      )}
      {demo && <DemoAccounts demo={demo} sessions={sessions} />}
      {method === 'password' ? (
        <CredentialForm action="Sign in" submit={(read) => sessions.signIn(read('email').trim(), read('password'))}>
          <Field name="email" label="E-mail address" type="email" autoComplete="username" hasFocus />
          <Field name="password" label="Password" type="password" autoComplete="current-password" />
        </CredentialForm>
      ) : (
        <CredentialForm action="Use API key" submit={(read) => sessions.signInWithApiKey(read('apiKey').trim())}>
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
    </>
  );
}

interface DemoAccountsProps {
  demo: Demo;
  sessions: Sessions;
}

/** A button for each account of the demo data. */
function DemoAccounts({ demo: { accounts, password }, sessions }: DemoAccountsProps) {
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <div className="dialog-demo" role="group" aria-label="Demo accounts">
      {accounts.map(({ email, role }) => (
        <button
          key={email}
          type="button"
          onClick={() => void sessions.signIn(email, password).catch((error: unknown) => setProblem(problemOf(error)))}
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
