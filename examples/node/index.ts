import { Gateway, GatewayError, type Credentials } from './src/gateway.ts';
import {
  CarPricesDocument,
  EmployeesPageDocument,
  PredictionRecordedDocument,
  type CarPriceInput,
  type EmployeesPageQuery,
} from './src/generated/graphql.ts';

const cars: CarPriceInput[] = [
  { company: 'Maruti', year: 2014, kmDriven: 90_000, fuel: 'Diesel' },
  { company: 'Honda', year: 2017, kmDriven: 40_000, fuel: 'Petrol', transmission: 'Automatic' },
  { company: 'Toyota', year: 2012, kmDriven: 150_000, fuel: 'Diesel', seats: 7 },
];

const pageSize = 100;
const maxFollowSeconds = 86_400;

const usage = `Usage: npm start -w examples/node [-- --follow <seconds>]

Prints employees by department and prices of cars. Needs API_KEY, or EMAIL and PASSWORD; GATEWAY_URL is
http://localhost:4000/graphql by default.

  --follow <seconds>  print the predictions of the next seconds, 1 to ${maxFollowSeconds}, as they are made`;

/** Prints employees by department and prices of cars; with `--follow 30` also the predictions of the next 30 seconds. */
async function main(): Promise<void> {
  const followSeconds = followSecondsOf(process.argv.slice(2));
  const gateway = new Gateway(process.env.GATEWAY_URL ?? 'http://localhost:4000/graphql', credentialsOf(process.env));
  try {
    await printDepartments(gateway);
    await printPrices(gateway);
    if (followSeconds > 0) await follow(gateway, followSeconds);
  } finally {
    await gateway.close();
  }
}

async function printDepartments(gateway: Gateway): Promise<void> {
  const departments = new Map<string, { people: number; newest: string }>();
  for await (const { department, hiredOn } of allEmployees(gateway)) {
    const { people, newest } = departments.get(department.name) ?? { people: 0, newest: '' };
    departments.set(department.name, { people: people + 1, newest: hiredOn > newest ? hiredOn : newest });
  }
  const rows = [...departments]
    .sort(([, a], [, b]) => b.people - a.people)
    .map(([name, { people, newest }]) => [name, String(people), newest]);
  print(['Department', 'People', 'Newest'], rows);
}

/** Yields all employees; loads the next page when the current one is consumed. */
async function* allEmployees(gateway: Gateway): AsyncGenerator<EmployeesPageQuery['employees']['nodes'][number]> {
  let after: string | null = null;
  do {
    const { employees }: EmployeesPageQuery = await gateway.execute(EmployeesPageDocument, { first: pageSize, after });
    yield* employees.nodes;
    after = employees.pageInfo.hasNextPage ? employees.pageInfo.endCursor : null;
  } while (after !== null);
}

/** The rows of one call run as one batch. */
async function printPrices(gateway: Gateway): Promise<void> {
  const { predictCarPrice } = await gateway.execute(CarPricesDocument, { cars });
  const rows = predictCarPrice.map((prediction, row) => [
    nameOf(cars[row]),
    prediction ? String(Math.round(prediction.sellingPrice)) : '-',
    prediction?.source ?? 'none',
  ]);
  print(['Car', 'Price, INR', 'Source'], rows);
}

async function follow(gateway: Gateway, seconds: number): Promise<void> {
  console.log(`Following predictions for ${seconds} s.`);
  const events = gateway.subscribe(PredictionRecordedDocument, {});
  const timer = setTimeout(() => void gateway.close(), seconds * 1000);
  process.once('SIGINT', () => void gateway.close());
  for await (const {
    predictionRecorded: { createdAt, model, source, output },
  } of events) {
    console.log(`${createdAt}  ${model.name}  ${source}  ${JSON.stringify(output)}`);
  }
  clearTimeout(timer);
}

const nameOf = (car: CarPriceInput | undefined): string => (car ? `${car.company} ${car.year}` : '');

/** Prints a table; columns of numbers are aligned to the right. */
function print(head: string[], rows: string[][]): void {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of [head, ...rows]) {
    const cells = row.map((cell, column) =>
      /^\d+$/.test(rows[0]?.[column] ?? '') ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    );
    console.log(cells.join('  ').trimEnd());
  }
  console.log();
}

function credentialsOf(env: NodeJS.ProcessEnv): Credentials {
  if (env.API_KEY) return { apiKey: env.API_KEY };
  if (env.EMAIL && env.PASSWORD) return { email: env.EMAIL, password: env.PASSWORD };
  throw new GatewayError('NO_CREDENTIALS', 'Set API_KEY, or EMAIL and PASSWORD.');
}

/** Parses the command line: `--help` exits 0, an invalid option 2. @returns 0 without `--follow` */
function followSecondsOf(args: string[]): number {
  const [option, text, ...rest] = args;
  if (option === undefined) return 0;
  if (option === '--help') exitWithUsage(0);
  const seconds = Number(text);
  const isValid =
    option === '--follow' &&
    rest.length === 0 &&
    Number.isInteger(seconds) &&
    seconds >= 1 &&
    seconds <= maxFollowSeconds;
  if (!isValid) exitWithUsage(2);
  return seconds;
}

function exitWithUsage(code: 0 | 2): never {
  (code === 0 ? console.log : console.error)(usage);
  process.exit(code);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof GatewayError ? `${error.message} (${error.code})` : error);
  process.exitCode = 1;
}
