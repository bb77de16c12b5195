export default {
  roots: ['<rootDir>/test'],
  testEnvironment: '<rootDir>/test/support/environment.js',
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  reporters: ['default', '<rootDir>/test/support/reporter.js'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': '@swc/jest' },
  testTimeout: 30_000,
  // Modules of a suite stay in memory after it, since ECMAScript modules cannot be unloaded: a worker that has grown is replaced.
  workerIdleMemoryLimit: '1500MB',
  // Suites that start processes wait for much of their time: a third worker uses it, on two cores too.
  maxWorkers: 3,
  coverageDirectory: 'coverage',
  coverageReporters: ['text-summary', 'lcovonly'],
  collectCoverageFrom: ['src/**/*.ts', '!src/main.ts', '!src/scripts/**', '!src/database/migrations/**'],
};
