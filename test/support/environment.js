import vm from 'node:vm';
import { TestEnvironment } from 'jest-environment-node';

// Node frees the heap of a process that ends by itself. For a heap of a gigabyte this takes longer than the 500 ms after which
// jest kills a worker, with a warning. `process.exit` skips it.
process.once('beforeExit', () => process.exit());

/** Jest's environment for Node, with faster globals, and with typed arrays that native addons accept. */
export default class GatewayEnvironment extends TestEnvironment {
  constructor(config, context) {
    withOrdinaryGlobals(() => super(config, context));
    // Native addons check typed arrays against the host realm's constructors, not those of jest's VM context.
    Object.assign(this.global, { Float32Array, Float64Array });
    Object.assign(this.global, { Int8Array, Int16Array, Int32Array, BigInt64Array });
    Object.assign(this.global, { Uint8Array, Uint16Array, Uint32Array, BigUint64Array });
    // A suite's own `process` emits no `unhandledRejection`.
    Object.assign(this.global, { hostProcess: process });
  }
}

/**
 * Jest puts a proxy before the globals of a suite, which runs at each use of `Math`, `Object` or `undefined`: loops run up to ten times
 * slower, and the whole tests a fifth. An ordinary global object has no proxy.
 */
function withOrdinaryGlobals(create) {
  const { createContext } = vm;
  vm.createContext = () => createContext(vm.constants.DONT_CONTEXTIFY);
  try {
    create();
  } finally {
    vm.createContext = createContext;
  }
}
