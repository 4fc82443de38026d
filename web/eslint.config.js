import js from '@eslint/js';
import a11y from 'eslint-plugin-jsx-a11y';
import hooks from 'eslint-plugin-react-hooks';
import globals from 'globals';
import ts from 'typescript-eslint';

export default ts.config(
  { ignores: ['dist', 'node_modules', 'e2e/artifacts', 'src/api/schema.d.ts'] },
  js.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}', 'vite.config.ts'],
    extends: [...ts.configs.recommendedTypeChecked, a11y.flatConfigs.recommended],
    plugins: { 'react-hooks': hooks },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname }, globals: globals.browser },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/only-throw-error': 'off', // redirects of the router are thrown
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      'no-restricted-syntax': [
        'error',
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: 'Texts are never HTML.' },
        { selector: "MemberExpression[property.name='innerHTML']", message: 'Texts are never HTML.' },
      ],
      'no-unused-private-class-members': 'off', // takes `??=` for no use
      'jsx-a11y/no-noninteractive-tabindex': ['error', { roles: ['region', 'tabpanel', 'log'], tags: [] }], // what scrolls is reached by keys
      'max-lines': ['error', { max: 400, skipBlankLines: true }],
      'jsx-a11y/no-autofocus': 'off', // the first field of a page that is only a form
    },
  },
  { files: ['src/**/*.test.{ts,tsx}'], rules: { 'max-lines': 'off' } },
  { files: ['e2e/**/*.mjs', 'eslint.config.js', 'public/*.js'], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
);
