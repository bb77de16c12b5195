/**
 * The reason of a deprecation, with the day until which what is deprecated surely stays:
 * `@Field({ deprecationReason: deprecated('Use hiredOn', '2027-03-01') })`. Lint refuses reasons without such a day.
 * @param advice what to use instead, without a full stop
 * @param removedOn a day such as 2027-03-01
 * @throws Error where that is no day
 */
export function deprecated(advice: string, removedOn: string): string {
  const day = new Date(`${removedOn}T00:00:00.000Z`);
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== removedOn) throw new Error(`${removedOn} is no day such as 2027-03-01.`);
  return `${advice}; removed on or after ${removedOn}.`;
}
