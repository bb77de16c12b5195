/* Documents that several benchmarks send. */

export const employeeFields = 'id name email age jobTitle hiredOn department { name } manager { name }';

/** A page of employees with department and manager. */
export const employeesQuery = (first, otherFields = '') =>
  `{ employees(first: ${first}) { nodes { ${employeeFields} ${otherFields} } } }`;
