const dayMs = 86_400_000;

/**
 * Whether rates of a date are outdated at a time, because rates of a later working day must have been published. The European
 * Central Bank publishes at about 16:00 in Frankfurt on TARGET working days; the rates of a day are expected from the next day,
 * 00:00 UTC, on.
 * @param date YYYY-MM-DD
 */
export function areOutdated(date: string, now: number): boolean {
  const today = Math.floor(now / dayMs) * dayMs;
  let expected = today - dayMs;
  while (!isPublicationDay(new Date(expected))) expected -= dayMs;
  return Date.parse(date) < expected;
}

/** TARGET is closed on weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December. */
function isPublicationDay(day: Date): boolean {
  const weekday = day.getUTCDay();
  if (weekday === 0 || weekday === 6 || fixedHolidays.has(day.toISOString().slice(5, 10))) return false;
  const daysFromEaster = (day.getTime() - easterSunday(day.getUTCFullYear())) / dayMs;
  return daysFromEaster !== -2 && daysFromEaster !== 1;
}

const fixedHolidays = new Set(['01-01', '05-01', '12-25', '12-26']);

/** Easter Sunday of the Gregorian calendar, by the algorithm of Meeus, Jones and Butcher. */
function easterSunday(year: number): number {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const d = Math.floor(b / 4);
  const e = b % 4;
  const g = Math.floor((8 * b + 13) / 25);
  const h = (19 * a + b - d - g + 15) % 30;
  const i = Math.floor(c / 4);
  const k = c % 4;
  const l = (32 + 2 * e + 2 * i - h - k) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const month = Math.floor((h + l - 7 * m + 114) / 31);
  const day = ((h + l - 7 * m + 114) % 31) + 1;
  return Date.UTC(year, month - 1, day);
}
