import { z } from 'zod';

/** A number of a manifest, with both bounds. */
export const within = (lowest: number, highest: number) =>
  z.number().min(lowest, `must be ${lowest} or more`).max(highest, `must be ${highest} or less`);

/** An integer of a manifest, with both bounds. */
export const whole = (lowest: number, highest: number) =>
  z.int().min(lowest, `must be ${lowest} or more`).max(highest, `must be ${highest} or less`);

/** The number of a version, up to the maximum of GraphQL's Int. */
export const version = whole(1, 2 ** 31 - 1);
