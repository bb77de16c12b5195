import type { TensorData, TensorType } from '../onnx/tensor.js';
import { elementTypes } from './element-types.js';

/** A tensor that preprocessing has made, such as an image. A caller cannot send one. */
export class PreparedTensor {
  constructor(
    /** The dimensions of one row. */
    readonly shape: number[],
    readonly data: Float32Array,
  ) {}

  /** The same with the elements of a graph's input; integers are rounded. */
  of(type: TensorType): { shape: number[]; data: TensorData } {
    if (type === 'float32') return { shape: this.shape, data: this.data };
    const isInteger = elementTypes[type].field === 'integer';
    const elements = Array.from(this.data, (element) => (isInteger ? Math.round(element) : element));
    return { shape: this.shape, data: elementTypes[type].toData(elements) };
  }
}
