import { CombinedGraphQLErrors } from '@apollo/client/errors';
import { useMutation } from '@apollo/client/react';
import { useEffect, useRef, useState, type ReactNode, type SubmitEvent } from 'react';
import { textOf } from './form.ts';
import { codesOf, problemOf } from './gateway.ts';
import { UpdateEmployeeDocument, type EmployeeRowFragment } from './generated/graphql.ts';
import { salaryCurrency } from './salary.ts';

interface EditEmployeeProps {
  employee: EmployeeRowFragment;
  onClose: () => void;
  /** Called if someone else has changed the employee meanwhile. */
  onConflict: () => void;
}

/** A dialog that changes the job and the salary of an employee. The gateway decides whether the user may. */
export function EditEmployee({ employee, onClose, onConflict }: EditEmployeeProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [update, { loading }] = useMutation(UpdateEmployeeDocument);
  const [problems, setProblems] = useState<Partial<Record<string, string>>>({});
  useEffect(() => dialog.current?.showModal(), []);

  async function submit(event: SubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (loading) return;
    const form = new FormData(event.currentTarget);
    const salary = Number(textOf(form, 'salary').replaceAll(/[\s,]/g, ''));
    if (!Number.isInteger(salary)) {
      setProblems({ salary: 'must be a whole number' });
      return;
    }
    const input = {
      jobTitle: textOf(form, 'jobTitle'),
      jobLevel: Number(textOf(form, 'jobLevel')),
      salary,
      // Rejects the change if someone else has changed the employee meanwhile.
      expectedVersion: employee.version,
    };
    try {
      await update({ variables: { id: employee.id, input } });
      onClose();
    } catch (error) {
      const isConflict = codesOf(error).includes('CONFLICT');
      if (isConflict) onConflict();
      setProblems(isConflict ? { '': conflictText } : problemsOf(error));
    }
  }

  return (
    <dialog ref={dialog} aria-labelledby="edit-title" onClose={onClose}>
      <form className="card" noValidate onSubmit={(event) => void submit(event)}>
        <h2 id="edit-title">{employee.name}</h2>
        <EditField name="jobTitle" label="Job title" initial={employee.jobTitle} problem={problems.jobTitle} />
        <div className="field">
          <label htmlFor="edit-jobLevel">Level, 1 (entry) to 5 (executive)</label>
          <select id="edit-jobLevel" name="jobLevel" defaultValue={employee.jobLevel}>
            {[1, 2, 3, 4, 5].map((level) => (
              <option key={level}>{level}</option>
            ))}
          </select>
        </div>
        <EditField
          name="salary"
          label={`Yearly salary, ${salaryCurrency}`}
          initial={String(employee.salary ?? '')}
          problem={problems.salary}
        />
        <p className="problem" role="alert">
          {problems['']}
        </p>
        <div className="result-line">
          <button type="submit" className="primary" aria-disabled={loading}>
            {loading ? 'Saving…' : 'Save'}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

interface EditFieldProps {
  name: string;
  label: string;
  initial: string;
  problem: string | undefined;
}

function EditField({ name, label, initial, problem }: EditFieldProps): ReactNode {
  const id = `edit-${name}`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        name={name}
        defaultValue={initial}
        autoComplete="off"
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-problem`}
      />
      <small id={`${id}-problem`} className="problem">
        {problem}
      </small>
    </div>
  );
}

const conflictText = 'Someone else has changed this employee meanwhile. Close this form and open it again.';

/** Validation errors by field; other errors have an empty name. */
function problemsOf(error: unknown): Partial<Record<string, string>> {
  const invalid = CombinedGraphQLErrors.is(error)
    ? error.errors.flatMap(({ extensions }) => (extensions?.fields ?? []) as { field: string; message: string }[])
    : [];
  const shown = invalid.filter(({ field }) => ['jobTitle', 'salary'].includes(field));
  return shown.length > 0
    ? Object.fromEntries(shown.map(({ field, message }) => [field, message]))
    : { '': problemOf(error) };
}
