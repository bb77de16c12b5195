/** Says which tests were skipped, with the reason in their names, and prints the closing line that scripts read: `123 passed, 0 failed, 2 skipped`. */
export default class ClosingLine {
  onRunComplete(_contexts, results) {
    const broken = results.testResults.filter((suite) => suite.testExecError).length;
    const failed = results.numFailedTests + broken;
    const skipped = results.numPendingTests + results.numTodoTests;
    const lines = [...skippedGroups(results), `${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`];
    process.on('exit', () => {
      process.stdout.write(`${lines.join('\n')}\n`);
    });
  }
}

/** A line for each group of skipped tests. */
function skippedGroups({ testResults }) {
  const counts = new Map();
  for (const test of testResults.flatMap((suite) => suite.testResults)) {
    if (test.status !== 'pending') continue;
    const [group = test.title] = test.ancestorTitles;
    counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return [...counts].map(([group, count]) => `skipped ${count} of: ${group}`);
}
