const slowestSuites = 20;

/** Prints skipped tests, the slowest suites in CI, and the last line for scripts: `123 passed, 0 failed, 2 skipped`. */
export default class SummaryReporter {
  onRunComplete(_contexts, results) {
    const broken = results.testResults.filter((suite) => suite.testExecError).length;
    const failed = results.numFailedTests + broken;
    const skipped = results.numPendingTests + results.numTodoTests;
    const lines = [
      ...skippedGroups(results),
      ...(process.env.CI ? suiteTimes(results) : []),
      `${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`,
    ];
    process.on('exit', () => {
      process.stdout.write(`${lines.join('\n')}\n`);
    });
  }
}

/** One line per group of skipped tests. */
function skippedGroups({ testResults }) {
  const counts = new Map();
  for (const test of testResults.flatMap((suite) => suite.testResults)) {
    if (test.status !== 'pending') continue;
    const [group = test.title] = test.ancestorTitles;
    counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return [...counts].map(([group, count]) => `skipped ${count} of: ${group}`);
}

/** The time of each tier and of the slowest suites. Suites run in parallel, so that the sum exceeds the wall time. */
function suiteTimes({ testResults }) {
  const suites = testResults.map(({ testFilePath, perfStats }) => ({
    name: testFilePath.split('/test/').at(-1),
    seconds: (perfStats.end - perfStats.start) / 1000,
  }));
  const line = (seconds, name) => `${seconds.toFixed(1).padStart(7)} s  ${name}`;
  const tiers = Map.groupBy(suites, ({ name }) => name.split('/')[0]);
  return [
    'time by tier:',
    ...[...tiers].map(([tier, of]) =>
      line(
        of.reduce((sum, { seconds }) => sum + seconds, 0),
        `${tier}, ${of.length} suites`,
      ),
    ),
    'slowest suites:',
    ...suites
      .toSorted((one, other) => other.seconds - one.seconds)
      .slice(0, slowestSuites)
      .map(({ seconds, name }) => line(seconds, name)),
  ];
}
