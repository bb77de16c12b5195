/**
 * The reason of a deprecation, with the day before which the element is not removed:
 * `@Field({ deprecationReason: deprecated('Use startedOn', '2027-03-01') })`. Lint rejects reasons without a day.
 * @param advice what to use instead, without a full stop
 * @param removedOn a day such as 2027-03-01
 * @throws Error if `removedOn` is not a day
 */
export function deprecated(advice: string, removedOn: string): string {
  const day = new Date(`${removedOn}T00:00:00.000Z`);
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== removedOn)
    throw new Error(`${removedOn} is not a day; write it as 2027-03-01.`);
  return `${advice}; removed on or after ${removedOn}.`;
}
