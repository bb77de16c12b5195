/*
 * Writing a list object by object, as the executor does, beside writing it field by field, as breadth-first engines do. Both are
 * models of the executor: closures that append JSON text, without rules and promises, which cost the same in either order.
 */
import { median } from '../support/setup.mjs';

const rounds = 7;
const pagesPerRound = 5_000;

const scalars = ['id', 'name', 'email', 'age', 'jobTitle', 'hiredOn'];
const objects = ['department', 'manager'];

/** Text that needs no escapes is quoted as it is. */
const unusual = /["\\\u0000-\u001f\ud800-\udfff]/;
const textOf = (value) =>
  typeof value === 'number' ? String(value) : unusual.test(value) ? JSON.stringify(value) : `"${value}"`;

function objectByObject(fields) {
  return (object) => {
    let text = '{';
    for (const { head, write } of fields) text += head + write(object);
    return `${text}}`;
  };
}

function fieldByField(fields) {
  return (list) => {
    const texts = new Array(list.length).fill('{');
    for (const { head, write } of fields) {
      const column = write(list);
      for (let index = 0; index < list.length; index++) texts[index] += head + column[index];
    }
    for (let index = 0; index < list.length; index++) texts[index] += '}';
    return texts;
  };
}

const named = (fields) => fields.map(([name, write], index) => ({ head: `${index > 0 ? ',' : ''}"${name}":`, write }));
const columnOf = (name) => (list) => {
  const column = new Array(list.length);
  for (let index = 0; index < list.length; index++) column[index] = textOf(list[index][name]);
  return column;
};

const writeName = objectByObject(named([['name', ({ name }) => textOf(name)]]));
const writeNames = fieldByField(named([['name', columnOf('name')]]));
const writeObject = objectByObject(
  named([
    ...scalars.map((name) => [name, (object) => textOf(object[name])]),
    ...objects.map((name) => [name, (object) => writeName(object[name])]),
  ]),
);
const writeObjects = fieldByField(
  named([
    ...scalars.map((name) => [name, columnOf(name)]),
    ...objects.map((name) => [name, (list) => writeNames(list.map((object) => object[name]))]),
  ]),
);

const orders = {
  'object by object': (list) => {
    let text = '[';
    for (let index = 0; index < list.length; index++) text += (index > 0 ? ',' : '') + writeObject(list[index]);
    return `${text}]`;
  },
  'field by field': (list) => `[${writeObjects(list).join(',')}]`,
};

const table = {};
for (const size of [50, 100]) {
  const page = Array.from({ length: size }, (_none, index) => ({
    id: `employee_${index}`,
    name: `Employee ${index}`,
    email: `employee.${index}@example.com`,
    age: 20 + (index % 40),
    jobTitle: 'Engineer',
    hiredOn: `2020-01-${10 + (index % 20)}`,
    department: { name: `Department ${index % 5}` },
    manager: { name: `Manager ${index % 7}` },
  }));
  const texts = Object.values(orders).map((write) => write(page));
  if (texts[0] !== texts[1]) throw new Error('The orders write different texts.');
  const figures = Object.fromEntries(Object.keys(orders).map((name) => [name, []]));
  for (let round = -1; round < rounds; round++)
    for (const [name, write] of Object.entries(orders)) {
      const microseconds = cpuOf(() => write(page));
      if (round >= 0) figures[name].push(microseconds);
    }
  table[`${size} objects`] = Object.fromEntries(
    Object.entries(figures).map(([name, each]) => [`${name}, µs`, median(each).toFixed(1)]),
  );
}
console.table(table);

/** CPU time of a page in microseconds. */
function cpuOf(write) {
  let bytes = 0;
  const before = process.cpuUsage();
  for (let page = 0; page < pagesPerRound; page++) bytes += Buffer.byteLength(write());
  const { user, system } = process.cpuUsage(before);
  if (bytes === 0) throw new Error('Nothing was written.');
  return (user + system) / pagesPerRound;
}
