/** Media types of a response to an operation (GraphQL over HTTP, 4.1); the first one without a preference. */
export const responseTypes = ['application/json', 'application/graphql-response+json'] as const;

export type ResponseType = (typeof responseTypes)[number];

/**
 * Chooses a media type by the Accept header (RFC 9110, 12.5.1): by quality, then by the most specific range, then by the order of
 * the ranges and of the offers. @returns null if none is acceptable
 */
export function chooseMediaType<Type extends string>(
  accept: string | undefined,
  offered: readonly Type[],
): Type | null {
  const ranges = accept === undefined || accept.trim() === '' ? [anything] : accept.split(',').map(readRange);
  const [best] = offered
    .map((type) => ({ type, range: rangeOf(type, ranges) }))
    .filter(({ range }) => range.quality > 0)
    .sort(({ range: one }, { range: other }) => other.quality - one.quality || byRank(one, other));
  return best?.type ?? null;
}

/** Whether `Accept` names a media type itself, with this parameter in lower case if one is given, and does not exclude it by `q=0`. */
export function namesMediaType(accept: string | undefined, type: string, parameter?: string): boolean {
  const ranges = (accept ?? '').split(',').map(readRange);
  return ranges.some(
    ({ name, quality, parameters }) =>
      name === type && quality > 0 && (parameter === undefined || parameters.includes(parameter)),
  );
}

/** A part of the header; the more specific, the higher its rank: `a/b` is 2, `a/*` is 1. */
interface MediaRange {
  name: string;
  quality: number;
  /** In lower case and without quotes, such as `q=0.5`. */
  parameters: readonly string[];
  rank: number;
  position: number;
}

const anything: MediaRange = { name: '*/*', quality: 1, parameters: [], rank: 0, position: 0 };
const unacceptable: MediaRange = { ...anything, quality: 0 };

function readRange(part: string, position: number): MediaRange {
  const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase().replaceAll('"', ''));
  const sent = parameters.find((parameter) => /^q[ \t]*=/.test(parameter));
  const quality = sent === undefined ? 1 : Number.parseFloat(sent.slice(sent.indexOf('=') + 1));
  return {
    name,
    quality: Number.isNaN(quality) ? 1 : quality,
    parameters,
    rank: name === '*/*' ? 0 : name.endsWith('/*') ? 1 : 2,
    position,
  };
}

/** The range that decides about a type: the most specific one that includes it. */
function rangeOf(type: string, ranges: readonly MediaRange[]): MediaRange {
  const [kind = ''] = type.split('/');
  const [first = unacceptable] = ranges
    .filter(({ name }) => name === type || name === `${kind}/*` || name === '*/*')
    .sort(byRank);
  return first;
}

const byRank = (one: MediaRange, other: MediaRange): number => other.rank - one.rank || one.position - other.position;
