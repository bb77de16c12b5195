import { CopyField, CredentialForm, Field } from './credential-form.js';
import type { SecondStep, Sessions } from './session.js';

/** Title and hint of the dialog for each second step. */
export const secondStepTexts: Record<SecondStep['kind'], { title: string; hint: string }> = {
  code: { title: 'Enter a code', hint: 'This account uses multi-factor authentication.' },
  setup: {
    title: 'Set up multi-factor authentication',
    hint: 'Your role requires it. Add the secret to an authenticator app, then enter the code that the app shows.',
  },
  recoveryCodes: {
    title: 'Save your recovery codes',
    hint: 'Each replaces a code of the app once, for example after a loss of the device. They are not shown again.',
  },
};

interface SecondStepFormProps {
  sessions: Sessions;
  step: SecondStep;
  /** Returns to the credentials. */
  onBack: () => void;
}

/** What the account requires after the credentials. */
export function SecondStepForm({ sessions, step, onBack }: SecondStepFormProps) {
  switch (step.kind) {
    case 'code':
      return (
        <>
          <CredentialForm action="Sign in" submit={(read) => sessions.verifyMfa(step.challenge, read('code').trim())}>
            <CodeField label="Code of the authenticator app, or a recovery code" />
          </CredentialForm>
          <BackButton onBack={onBack} />
        </>
      );
    case 'setup':
      return (
        <>
          <CredentialForm
            action="Set up and sign in"
            submit={(read) => sessions.confirmMfaSetup(step.challenge, read('code').trim())}
          >
            <CopyField label="Secret" value={step.secret} rows={2} />
            <CopyField label="Or the secret as a URI" value={step.uri} rows={5} />
            <CodeField label="Code of the authenticator app" />
          </CredentialForm>
          <BackButton onBack={onBack} />
        </>
      );
    case 'recoveryCodes':
      return (
        <div className="dialog-form">
          <CopyField
            label="Recovery codes"
            value={step.recoveryCodes.join('\n')}
            rows={step.recoveryCodes.length}
            hasFocus
          />
          <button type="button" className="dialog-action" onClick={() => sessions.start(step.session)}>
            I have saved them
          </button>
        </div>
      );
  }
}

const CodeField = ({ label }: { label: string }) => (
  <Field name="code" label={label} type="text" autoComplete="one-time-code" hasFocus />
);

const BackButton = ({ onBack }: { onBack: () => void }) => (
  <button type="button" className="graphiql-un-styled dialog-switch" onClick={onBack}>
    Back
  </button>
);
