import { z } from 'zod';

const whole = (lowest: number, highest: number) =>
  z.int().min(lowest, `must be ${lowest} or more`).max(highest, `must be ${highest} or less`);
const name = z.string().min(1, 'must not be empty').max(100, 'must have 100 characters or fewer');
const perChannel = z.union(
  [z.number(), z.array(z.number()).min(1).max(3)],
  'must be a number, or a list of one per channel',
);

/** The largest side of a decoded or resized image in pixels. */
const maxSide = 4096;

/** `preprocess` of an image input, in the names of the manifest. */
export const imageSettings = z
  .strictObject({
    kind: z.literal('image'),
    /** The input of the graph; by default the one with the same name. */
    to: name.optional(),
    color: z.enum(['rgb', 'gray', 'ink']).default('rgb'),
    layout: z.enum(['nchw', 'nhwc', 'nhw']).optional(),
    width: whole(1, maxSide).optional(),
    height: whole(1, maxSide).optional(),
    fit: z.enum(['fill', 'cover', 'contain']).default('fill'),
    /** Resizes the shorter side to this, then crops the centre. */
    resize_shorter: whole(1, maxSide).optional(),
    scale: z.number().optional(),
    mean: perChannel.default(0),
    std: perChannel.default(1),
    max_bytes: whole(100, 16 * 1024 * 1024).default(1024 * 1024),
    max_pixels: whole(1, 64_000_000).default(16_000_000),
  })
  .refine(({ std }) => ![std].flat().includes(0), { path: ['std'], message: 'must not be 0' });

/** `preprocess` of a text that a tokenizer turns into the inputs of a graph. */
export const tokenizerSettings = z.strictObject({
  kind: z.literal('tokenizer'),
  /** In the folder of the version. */
  file: z
    .string()
    .regex(/^(?!\.)[\w.-]{1,100}$/, 'must be the name of a file in the folder of the version')
    .default('tokenizer.json'),
  max_length: whole(1, 8192),
  /** Whether longer texts are cut to `max_length`; otherwise they are invalid. */
  truncate: z.boolean().default(true),
  input_ids: name.default('input_ids'),
  attention_mask: name.default('attention_mask'),
  token_type_ids: name.default('token_type_ids'),
});

export const preprocessSettings = z.discriminatedUnion('kind', [imageSettings, tokenizerSettings], {
  error: 'must have kind: image or kind: tokenizer',
});

export type ImageSettings = z.infer<typeof imageSettings>;
export type TokenizerSettings = z.infer<typeof tokenizerSettings>;
export type PreprocessSettings = z.infer<typeof preprocessSettings>;
