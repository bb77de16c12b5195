/** The names that are derived from a type's name. */
export interface TypeNames {
  /** `SalesOrder` */
  type: string;
  /** `SalesOrders` */
  types: string;
  /** `salesOrder`: the root field that reads one. */
  field: string;
  /** `salesOrders`: the root field that reads a page. */
  fields: string;
  /** `sales-order`: the folder, and the beginning of its file names. */
  folder: string;
  /** `sales_order` */
  table: string;
  /** `salesorder`: the prefix of ids. */
  idPrefix: string;
  /** `sales order`: in sentences. */
  noun: string;
  /** `sales orders` */
  nouns: string;
}

const maxLength = 20;

/**
 * Derives all names from `SalesOrder`.
 * @param plural the plural in PascalCase, if English rules do not give it: `People`
 * @throws Error with what is wrong and what is right
 */
export function namesOf(type: string, plural = pluralOf(type)): TypeNames {
  for (const name of [type, plural])
    if (!/^[A-Z][a-z]+(?:[A-Z][a-z]+)*$/.test(name))
      throw new Error(`${JSON.stringify(name)} is not a type name; write it in PascalCase, such as SalesOrder.`);
  if (type.length > maxLength)
    throw new Error(`${type} is longer than ${maxLength} letters, the limit of an id prefix.`);
  if (type === plural) throw new Error(`${type} is its own plural; name another with --plural.`);
  const words = wordsOf(type);
  return {
    type,
    types: plural,
    field: uncapitalized(type),
    fields: uncapitalized(plural),
    folder: words.join('-'),
    table: words.join('_'),
    idPrefix: words.join(''),
    noun: words.join(' '),
    nouns: wordsOf(plural).join(' '),
  };
}

function pluralOf(name: string): string {
  if (/[^aeiou]y$/.test(name)) return `${name.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(name) ? `${name}es` : `${name}s`;
}

const wordsOf = (name: string): string[] => name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());

const uncapitalized = (name: string): string => `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
