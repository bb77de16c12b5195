import { afterEach, beforeEach, jest } from '@jest/globals';
import bcrypt from 'bcrypt';

/** The promise form of bcrypt's functions, which the gateway calls. */
const hashing: { hash: (password: string, cost: number) => Promise<string>; getRounds: (hash: string) => number } =
  bcrypt;

/** Makes each test of the suite hash passwords at the lowest cost, and the gateway take that for the current cost. `jest.restoreAllMocks` ends it in a test. */
export function useCheapHashes(): void {
  beforeEach(() => {
    jest.spyOn(hashing, 'hash').mockImplementation((password) => Promise.resolve(bcrypt.hashSync(password, 4)));
    jest.spyOn(hashing, 'getRounds').mockReturnValue(12);
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });
}
