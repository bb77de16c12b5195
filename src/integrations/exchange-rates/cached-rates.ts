import { readDailyRates, type DailyRates } from './daily-rates.js';

/** Rates as replicas share them. `fetchedAt` is in milliseconds, by the clock of the replica that fetched them. */
export interface CachedRates {
  rates: DailyRates;
  fetchedAt: number;
}

/** Rates dated further into the future would not expire. */
const maxClockDifferenceMs = 60_000;

/** Clocks of replicas differ: an age below zero counts as zero. */
export const ageOf = ({ fetchedAt }: CachedRates): number => Math.max(0, Date.now() - fetchedAt);

/** @returns rates shared by a replica; null if they are missing or invalid. */
export function readShared(value: unknown): CachedRates | null {
  if (
    typeof value !== 'object' ||
    value === null ||
    !('rates' in value) ||
    !('fetchedAt' in value) ||
    typeof value.fetchedAt !== 'number'
  )
    return null;
  if (value.fetchedAt > Date.now() + maxClockDifferenceMs) return null;
  try {
    // Validated as of the day they were fetched; the caller checks their age.
    return { rates: readDailyRates(value.rates, value.fetchedAt), fetchedAt: value.fetchedAt };
  } catch {
    return null;
  }
}
