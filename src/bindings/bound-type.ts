import type { OutputField } from '../inference/serving/predictor.js';
import { fieldNameOf } from '../typed-models/names.js';
import { sentences, typedModel } from '../typed-models/typed-model.js';
import type { BoundField } from './bound-field.js';

/** The types of bound fields and the fields themselves, as extensions of types of the schema. */
export const sdlOf = (fields: readonly BoundField[]): string => fields.map(typeOf).join('\n');

function typeOf(field: BoundField): string {
  const { model, binding, typeName, output, source } = field;
  return `
${described([`The prediction of ${model.name} for a value of ${source.type}`, model.title])}
type ${typeName} {
  ${described([output.description ?? `The output ${output.name} of ${model.name}`, unitText(output)])}
  value: ${valueType(field)}
  ${described(['The version that ran'])}
  version: Int!
  ${described(['Where the result comes from'])}
  source: PredictionSource!
  ${described(['When the model computed the result'])}
  computedAt: DateTime!
  ${described(['Values unlike those of the training, at most 20; null if nothing is known of the training data. Their `field` is the name in the schema'])}
  warnings: [PredictionWarning!]
}

extend type ${source.type} {
  ${described([binding.description ?? output.description ?? `The output ${output.name} of ${model.name}`, lineageText(field)])}
  ${binding.field}(
    ${described(['FAIL reports each hidden value as an error; NULL is for lists'])}
    onForbidden: OnForbidden! = FAIL
  ): ${typeName}
}`;
}

/** A string of JSON is one of GraphQL. */
const described = (parts: readonly string[]): string => JSON.stringify(sentences(parts));

const unitText = ({ unit }: OutputField): string => (unit === undefined ? '' : `Unit: ${unit}`);

/** What the value derives from, and which viewers may read it thereby. */
function lineageText({ model, inputs, target }: BoundField): string {
  const paths = inputs.map(({ feature }) => feature.path);
  const all = [...new Set([...paths, ...(target ? [target.path] : [])])];
  return [
    `Computed by ${model.name} from ${paths.join(', ')}${target ? `; estimates ${target.path}` : ''}.`,
    `Only for viewers that may read ${all.join(', ')}, FORBIDDEN otherwise.`,
    'PREDICTION_UNAVAILABLE if the model has no result',
  ].join(' ');
}

/** The type that the output has in the typed prediction of the model. */
function valueType({ model, output }: BoundField): string {
  const typed = typedModel(model).outputs.find(({ raw }) => raw === output.name);
  if (!typed) throw new Error(`${model.name} has no output ${fieldNameOf(output.name)}.`);
  let type = `${typed.type}!`;
  for (let level = 0; level < typed.depth; level += 1) type = `[${type}]!`;
  return type;
}
