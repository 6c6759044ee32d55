# The images of all apps. Any builder can build it, BuildKit or not:
#
#   docker build --target service --build-arg APP=loader --tag cinelake/loader .
#   docker build --target cli --tag cinelake/cli .
#   docker build --target dev --tag cinelake/dev .
#
# APP            ingest-files, ingest-api, transformer, loader or scheduler
# NODE_IMAGE     has Node 24 and npm; apps are built in it, and its Node and C library go into the image
# RUNTIME_IMAGE  what the image is made on. `runtime` is the stage below: Node and what it needs, without a shell. Any image
#                with Node 24 will do instead: node:24-bookworm-slim, gcr.io/distroless/nodejs24-debian12
# VERSION, REVISION, SOURCE_URL  of the source, for the labels
ARG NODE_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=runtime

# All packages, built. These layers are the same for every app.
FROM ${NODE_IMAGE} AS workspace
ARG PNPM_VERSION=12.21.0
RUN npm install --global --no-audit --no-fund "pnpm@${PNPM_VERSION}"
ENV CI=true
WORKDIR /build
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
RUN pnpm fetch
COPY . .
RUN pnpm install --frozen-lockfile --offline && pnpm --recursive build

# What an image is made on: Node, the C library, certificates, and nothing else.
FROM ${NODE_IMAGE} AS runtime-files
COPY docker/runtime-files.ts /
RUN node /runtime-files.ts /runtime

FROM scratch AS runtime
COPY --from=runtime-files /runtime /

# One app with its production dependencies, and the list of them.
FROM workspace AS app
ARG APP=cli
RUN sh docker/deploy-app.sh "${APP}" /out/app

FROM ${RUNTIME_IMAGE} AS base
ENV PATH=/usr/local/bin:/usr/bin:/bin:/nodejs/bin \
    NODE_ENV=production \
    HOME=/scratch \
    TMPDIR=/scratch \
    CINELAKE_SCRATCH=/scratch
# All that an app writes to its own disk; the rest of the file system may be read-only.
VOLUME /scratch
WORKDIR /scratch
USER 1000:1000
STOPSIGNAL SIGTERM
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE_URL=unknown
LABEL org.opencontainers.image.vendor="Cinelake" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE_URL}"

FROM base AS service
ARG APP=cli
LABEL org.opencontainers.image.title="cinelake ${APP}"
ENV CINELAKE_HEALTH_PORT=9090
EXPOSE 9090
COPY docker/healthcheck.ts /app/
COPY --from=app /out/app /app
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["node", "/app/healthcheck.ts"]
# Optimizing the SQL parser's WebAssembly takes 1 GB for a moment when the scheduler starts, and saves no time; without it,
# 0.3 GB do. No service has other WebAssembly that works much.
ENTRYPOINT ["node", "--liftoff-only", "/app/dist/main.js"]

FROM base AS cli
LABEL org.opencontainers.image.title="cinelake cli"
COPY --from=app /out/app /app
ENTRYPOINT ["node", "/app/dist/main.js"]

# What developers have instead of other people's systems: the Service Bus broker, the ADLS endpoint, the sample company.
FROM workspace AS dev-apps
RUN sh docker/deploy-app.sh testkit /out/testkit && sh docker/deploy-app.sh sample-company /out/sample-company \
 && mkdir -p /data/bus /data/lake /data/company/catalogue

FROM base AS dev
LABEL org.opencontainers.image.title="cinelake dev"
# The broker's entities, for where none are mounted.
COPY docker/healthcheck.ts docker/servicebus-emulator.json /app/
COPY --from=dev-apps /out /app
# Volumes mounted here belong to the user that writes them.
COPY --from=dev-apps --chown=1000:1000 /data /data
