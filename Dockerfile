# One image, two processes:
#   node packages/api/dist/main.js       the API
#   node packages/worker/dist/main.js    the worker
# NODE_IMAGE is any image with Node's active LTS and npm, from a private registry for instance.
ARG NODE_IMAGE=node:26-slim

FROM ${NODE_IMAGE} AS build
ENV CI=true
WORKDIR /presence
# pnpm in the version that the workspace names; Node no longer brings corepack.
COPY package.json ./
RUN npm install --global "$(node --print 'require("./package.json").packageManager')"
# What the lockfile names is fetched before the sources come, so that it is cached without them.
COPY pnpm-lock.yaml pnpm-workspace.yaml .npmrc ./
COPY patches ./patches
RUN pnpm fetch
COPY . .
RUN pnpm install --frozen-lockfile --offline
RUN pnpm exec tsc -b packages/standalone
# The same tree again, with nothing in it that only building and testing need.
RUN rm -rf node_modules packages/*/node_modules packages/*/src packages/*/test packages/*/tsconfig*.json \
  && pnpm install --frozen-lockfile --offline --prod --filter '@presence/standalone...' \
  && chmod --recursive a+rX package.json packages

FROM ${NODE_IMAGE}
ENV NODE_ENV=production NODE_OPTIONS=--enable-source-maps
WORKDIR /presence
COPY --from=build /presence/package.json ./
COPY --from=build /presence/node_modules ./node_modules
COPY --from=build /presence/packages ./packages
# By number, so that it holds whatever users the image knows. All files belong to root.
USER 1000:1000
CMD ["node", "packages/api/dist/main.js"]
