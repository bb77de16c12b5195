import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const gateway = new URL(process.env.GATEWAY_URL ?? 'http://localhost:4000/graphql');

export default defineConfig({
  plugins: [react()],
  server: {
    // Same origin as in production: no CORS, and the gateway can reject WebSockets of other sites.
    proxy: {
      '/graphql': { target: gateway.origin, ws: true, rewrite: (path) => path.replace(/^\/graphql/, gateway.pathname) },
    },
  },
});
