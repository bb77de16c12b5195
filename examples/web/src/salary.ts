/** The API states salaries in the company's currency without naming it (ISO 4217); set it when the frontend is built. */
export const salaryCurrency = (import.meta.env.VITE_SALARY_CURRENCY as string | undefined) ?? 'USD';

const salaries = new Intl.NumberFormat(undefined, {
  style: 'currency',
  currency: salaryCurrency,
  maximumFractionDigits: 0,
});

/** A yearly salary with its currency. */
export const formatSalary = (salary: number): string => salaries.format(salary);
