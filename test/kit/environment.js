import { TestEnvironment } from 'jest-environment-node';

/** Native addons check typed arrays against the host realm's constructors, not those of jest's VM context. */
export default class HostTypedArrays extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    Object.assign(this.global, { Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array });
  }
}
