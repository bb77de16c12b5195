import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: '../../schema/schema.graphql',
  documents: 'src/operations.graphql',
  importExtension: '.ts',
  generates: {
    'src/generated/': {
      preset: 'client',
      // This client sends ids only and has no cache, so it needs no document text.
      presetConfig: {
        fragmentMasking: false,
        skipIndexFile: true,
        persistedDocuments: { hashAlgorithm: 'sha256', mode: 'replaceDocumentWithHash' },
      },
      config: {
        useTypeImports: true,
        enumType: 'const',
        scalars: { Date: 'string', DateTime: 'string', JSONObject: 'Record<string, unknown>', SafeInt: 'number' },
      },
    },
  },
};

export default config;
