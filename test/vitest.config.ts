import { defineConfig } from 'vitest/config';

// Two projects: `fast` is the gate (npm run check) and needs nothing but Node; `kernel` needs root and a real kernel, and runs one
// file at a time, since namespaces, cores and the nft lock are shared.
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/{unit,property,scenarios,repo,fuzz,kubernetes}/**/*.test.ts'],
          exclude: ['test/kubernetes/netns/**'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/{contract,netns,kubernetes/netns}/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
