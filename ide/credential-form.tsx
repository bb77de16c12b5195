import { useId, useState, type ReactNode, type SubmitEvent } from 'react';
import { problemOf } from './gateway.js';

interface CredentialFormProps {
  action: string;
  submit: (read: (field: string) => string) => Promise<void>;
  children: ReactNode;
}

/** A form that disappears with the identity or the step that `submit` changes. Shows the error message of the gateway. */
export function CredentialForm({ action, submit, children }: CredentialFormProps) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isSubmitting, setSubmitting] = useState(false);
  const onSubmit = (event: SubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setSubmitting(true);
    submit((field) => textOf(form.get(field))).catch((error: unknown) => {
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

/** A required input with its label. */
export function Field({ label, hasFocus = false, ...input }: FieldProps) {
  const id = useId();
  return (
    <div className="dialog-field">
      <label htmlFor={id}>{label}</label>
      <input id={id} {...input} autoFocus={hasFocus} required />
    </div>
  );
}

interface CopyFieldProps {
  label: string;
  value: string;
  /** Height in browsers that cannot derive it from the text. */
  rows: number;
  hasFocus?: boolean;
}

/** A text to copy, selected when it has the focus. */
export function CopyField({ label, value, rows, hasFocus = false }: CopyFieldProps) {
  const id = useId();
  return (
    <div className="dialog-field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        value={value}
        rows={rows}
        readOnly
        autoFocus={hasFocus}
        onFocus={(event) => event.currentTarget.select()}
      />
    </div>
  );
}

const textOf = (value: FormDataEntryValue | null): string => (typeof value === 'string' ? value : '');
