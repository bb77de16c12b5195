/* The same queries on the tables of a shop, in the names that each server gives them. */

/** 10,000 customers have about 20 invoices each. */
const customerOf = (n) => 1 + ((n * 7919) % 10_000);
const invoiceOf = (n) => 1 + ((n * 7919) % 200_000);

/** IDs and cursors have another form in each server, and times another precision; everything else is compared. */
const notCompared = new Set(['id', 'endCursor']);
const rowsOf = (text) =>
  JSON.parse(text, (name, value) => {
    if (notCompared.has(name)) return undefined;
    return name === 'invoicedAt' ? new Date(value).toISOString() : value;
  }).data;

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * @param queries by server: its query, and the variables of the n-th request
 */
const workload = (description, count, { auspex, postgraphile }) => ({
  description,
  count,
  connections: 64,
  countsStatements: true,
  requestOf: { auspex: requestsOf(auspex), postgraphile: requestsOf(postgraphile) },
  resultOf: { graphql: rowsOf },
  isEqual: isSame,
});

const requestsOf =
  ([query, variablesOf]) =>
  (n) => ({ body: JSON.stringify({ query, variables: variablesOf?.(n) }) });

/** The global ID that the gateway gives an invoice. */
const invoiceId = (n) => `invoice_${Buffer.from(JSON.stringify([String(invoiceOf(n))])).toString('base64url')}`;

const customer = 'name email country';
const invoice = 'total invoicedAt';

export const tableWorkloads = {
  T1: workload('a page of 50 customers', 2_000, {
    auspex: [`{ customers(first: 50) { nodes { id ${customer} } pageInfo { hasNextPage endCursor } } }`],
    postgraphile: [
      `{ customers: allCustomers(first: 50) { nodes { id ${customer} } pageInfo { hasNextPage endCursor } } }`,
    ],
  }),
  T2: workload('50 invoices with customer and billing address', 2_000, {
    auspex: [
      `{ invoices(first: 50) { nodes { id ${invoice} customer { id ${customer} } billingAddress { id street city } } } }`,
    ],
    postgraphile: [
      `{ invoices: allInvoices(first: 50) { nodes { id ${invoice} customer: customerByCustomerId { id ${customer} }
        billingAddress: addressByBillingAddressId { id street city } } } }`,
    ],
  }),
  T3: workload('20 customers with 5 invoices each, and their billing addresses', 2_000, {
    auspex: [
      `{ customers(first: 20) { nodes { id ${customer} invoices(first: 5) { nodes { id ${invoice} billingAddress { id street city } } } } } }`,
    ],
    postgraphile: [
      `{ customers: allCustomers(first: 20) { nodes { id ${customer} invoices: invoicesByCustomerId(first: 5) { nodes { id ${invoice}
        billingAddress: addressByBillingAddressId { id street city } } } } } }`,
    ],
  }),
  T4: workload('the last 20 invoices of a customer, another one in each request', 4_000, {
    auspex: [
      `query ($customer: Int!) { invoices(first: 20, filter: { customerId: { eq: $customer } }, orderBy: [{ field: INVOICED_AT, direction: DESC }]) {
        nodes { id ${invoice} } } }`,
      (n) => ({ customer: customerOf(n) }),
    ],
    postgraphile: [
      `query ($customer: Int!) { invoices: allInvoices(first: 20, condition: { customerId: $customer }, orderBy: [INVOICED_AT_DESC]) {
        nodes { id ${invoice} } } }`,
      (n) => ({ customer: customerOf(n) }),
    ],
  }),
  T5: workload('one invoice by ID, another one in each request', 5_000, {
    auspex: [`query ($id: ID!) { invoice(id: $id) { id ${invoice} customerId } }`, (n) => ({ id: invoiceId(n) })],
    postgraphile: [
      `query ($id: BigInt!) { invoice: invoiceByInvoiceId(invoiceId: $id) { id ${invoice} customerId } }`,
      (n) => ({ id: String(invoiceOf(n)) }),
    ],
  }),
};
