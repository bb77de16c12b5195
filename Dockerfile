# Run-time files only: no npm, no compiler, no curl.

# All packages, for the build. Package files are copied first, so that a source change reuses the installed packages.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No package needs its install script; onnxruntime-node's would download CUDA libraries.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --workspaces=false
COPY tsconfig.json tsconfig.build.json ./
COPY ide ide
COPY ops/bundle.ts ops/bundle.ts
COPY src src
# The maps of the bundle stay, for the stacks of logged errors.
RUN npm run build && find dist \( -name '*.map' -not -path 'dist/bundle/*' -o -name '*.tsbuildinfo' \) -delete

# Production packages, without the optional ones: Node.js and PostgreSQL for development machines.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --workspaces=false
COPY ops/image/prune-packages.mjs /prune-packages.mjs
RUN node /prune-packages.mjs node_modules

FROM debian:bookworm-slim
RUN groupadd --gid 10001 auspex && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin auspex \
    && install -d -o auspex -g auspex -m 700 /var/lib/auspex
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /app
# Rarely changed layers first.
COPY --from=packages /app/node_modules node_modules
COPY LICENSE package.json ./
COPY model-store model-store
COPY schema schema
COPY --from=build /app/dist dist

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Auspex" \
      org.opencontainers.image.description="A GraphQL gateway that puts a company's relational data and its ONNX models behind one guarded endpoint" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# The C library keeps freed memory of models unless it has few arenas and maps large blocks alone.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 METRICS_PORT=9464 DATA_DIR=/var/lib/auspex
USER 10001:10001
# The journal of predictions: each container has its own, also on a read-only file system.
VOLUME /var/lib/auspex
EXPOSE 4000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --start-interval=1s --retries=3 CMD ["node", "dist/scripts/healthcheck.js"]
# Same as the last command of `start` in package.json. Node.js handles SIGTERM as PID 1 and starts no child processes, so no init is needed.
CMD ["node", "--max-semi-space-size=16", "--heap-growing-percent=100", "--no-allocation-site-pretenuring", "dist/bundle/main.js"]
