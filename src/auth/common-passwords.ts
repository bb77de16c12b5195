/** Shorter remainders, such as an initial, say nothing about the password. */
const minBaseLength = 4;

/** Read at the first use: 49,000 passwords, about 8 MB. */
let commonPasswords: Promise<ReadonlySet<string>> | null = null;

const listed = (): Promise<ReadonlySet<string>> =>
  (commonPasswords ??= import('@zxcvbn-ts/language-common').then(
    ({ dictionary }) => new Set<string>(dictionary['passwords-common']),
  ));

/**
 * Whether a password is easy to guess, in any case: a common one, one of `ownWords`, or one of these with digits and signs around
 * it. Takes linear time.
 * @param ownWords words that belong to the account or the product, in lower case
 */
export async function isEasyToGuess(password: string, ownWords: readonly string[]): Promise<boolean> {
  const common = await listed();
  const text = password.toLowerCase();
  const base = letterCore(text);
  return [text, ...(base.length >= minBaseLength ? [base] : [])].some(
    (candidate) => common.has(candidate) || ownWords.includes(candidate),
  );
}

/** The text from its first letter to its last one: `summer` of `summer2026!`. */
function letterCore(text: string): string {
  const characters = Array.from(text);
  const isLetter = (character: string): boolean => /^\p{L}$/u.test(character);
  const start = characters.findIndex(isLetter);
  return start === -1 ? '' : characters.slice(start, characters.findLastIndex(isLetter) + 1).join('');
}

/** The length in characters of the shortest text whose repetition is the password; its own length if there is none. */
export function repeatedLength(password: string): number {
  const characters = Array.from(password);
  const { length } = characters;
  // The prefix function of Knuth, Morris and Pratt: linear.
  const borders = [0];
  for (let at = 1; at < length; at++) {
    let border = borders[at - 1] ?? 0;
    while (border > 0 && characters[at] !== characters[border]) border = borders[border - 1] ?? 0;
    borders.push(characters[at] === characters[border] ? border + 1 : 0);
  }
  const period = length - (borders.at(-1) ?? 0);
  return length % period === 0 ? period : length;
}
