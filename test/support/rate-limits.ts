import type { Caller, TestGateway } from './gateway.js';

/** The cheapest operation. */
export const WHO = '{ __typename }';

let made = 0;
/** An address that no other test of the suite uses. */
export const newAddress = (): string => `10.1.${Math.floor(++made / 250)}.${made % 250}`;
/** The header of a request from an address, to a gateway behind one proxy. */
export const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });

/** Sends requests in sequence. @returns their statuses */
export async function statuses(
  gateway: TestGateway,
  times: number,
  caller: Caller,
  headers: Record<string, string>,
): Promise<number[]> {
  const seen: number[] = [];
  for (let turn = 0; turn < times; turn += 1) seen.push((await gateway.execute(caller, WHO, {}, headers)).status);
  return seen;
}
