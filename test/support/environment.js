import { TestEnvironment } from 'jest-environment-node';

// Node frees the heap of a process that ends by itself. For a heap of a gigabyte this takes longer than the 500 ms after which
// jest kills a worker, with a warning. `process.exit` skips it.
process.once('beforeExit', () => process.exit());

/** Native addons check typed arrays against the host realm's constructors, not those of jest's VM context. */
export default class HostTypedArrays extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    Object.assign(this.global, { Float32Array, Float64Array });
    Object.assign(this.global, { Int8Array, Int16Array, Int32Array, BigInt64Array });
    Object.assign(this.global, { Uint8Array, Uint16Array, Uint32Array, BigUint64Array });
  }
}
