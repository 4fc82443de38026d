import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** Gzipped kB that the first page may load as JavaScript. */
const budget = 300;

/** Prints what a first visit loads and fails the build where it is too much. */
function initialSize(): Plugin {
  return {
    name: 'initial-size',
    writeBundle(options, bundle) {
      const seen = new Set<string>();
      const add = (name: string) => {
        const file = bundle[name];
        if (file?.type !== 'chunk' || seen.has(name)) return;
        seen.add(name);
        file.imports.forEach(add);
      };
      for (const file of Object.values(bundle)) {
        if (file.type === 'chunk' && (file.isEntry || file.facadeModuleId?.endsWith('/pages/flight/Flight.tsx'))) add(file.fileName);
      }
      let bytes = 0;
      for (const name of seen) bytes += gzipSync(readFileSync(`${options.dir ?? 'dist'}/${name}`)).length;
      const kB = bytes / 1000;
      console.log(`initial JavaScript with the home page: ${kB.toFixed(1)} kB gzipped in ${seen.size} files (budget ${budget} kB)`);
      if (kB > budget) throw new Error(`the initial JavaScript is over its budget of ${budget} kB`);
    },
  };
}

/** Puts the placeholder that git keeps back, since a build empties dist. */
function placeholder(): Plugin {
  return {
    name: 'placeholder',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'placeholder.txt', source: readFileSync('placeholder.txt', 'utf8') });
    },
  };
}

const server = process.env.SLUICE_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), initialSize(), placeholder()],
  // The server puts the nonce of each answer in the place of these words.
  html: { cspNonce: '__CSP_NONCE__' },
  resolve: { alias: { '@rjsf/validator-ajv8': `${import.meta.dirname}/src/app/noAjv.ts` } },
  build: { target: 'es2023', assetsInlineLimit: 0, reportCompressedSize: false, chunkSizeWarningLimit: 700, modulePreload: { polyfill: false } },
  server: { proxy: Object.fromEntries(['/api', '/healthz', '/readyz'].map((path) => [path, { target: server, changeOrigin: false }])) },
  test: { environment: 'jsdom', include: ['src/**/*.test.{ts,tsx}'], restoreMocks: true },
});
