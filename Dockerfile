# One image, two processes:
#   node packages/api/dist/main.js       the API
#   node packages/worker/dist/main.js    the worker
# NODE_IMAGE is any image with Node's active LTS and npm, from a private registry for instance.
ARG NODE_IMAGE=node:26-slim

FROM ${NODE_IMAGE} AS workspace
ENV CI=true
WORKDIR /presence
# pnpm in the version that the workspace names; Node no longer brings corepack.
COPY package.json ./
RUN npm install --global "$(node --print 'require("./package.json").packageManager')"
COPY pnpm-lock.yaml pnpm-workspace.yaml .npmrc ./

FROM workspace AS build
# What the lockfile names is fetched before the sources come, so that it is cached without them.
RUN pnpm fetch
COPY . .
RUN pnpm install --frozen-lockfile --offline
RUN pnpm exec tsc -b packages/standalone

# The same tree again, with nothing in it that only building and testing need.
FROM workspace AS production
RUN pnpm fetch --prod
COPY . .
RUN pnpm install --frozen-lockfile --offline --prod --filter '@presence/standalone...' \
  && rm -rf packages/*/src packages/*/test packages/*/tsconfig*.json

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /presence
COPY --from=production /presence/package.json ./
COPY --from=production /presence/node_modules ./node_modules
COPY --from=production /presence/packages ./packages
COPY --from=build /presence/packages/domain/dist ./packages/domain/dist
COPY --from=build /presence/packages/adapters/dist ./packages/adapters/dist
COPY --from=build /presence/packages/api/dist ./packages/api/dist
COPY --from=build /presence/packages/worker/dist ./packages/worker/dist
COPY --from=build /presence/packages/standalone/dist ./packages/standalone/dist
# By number, so that it holds whatever users the image knows. All files belong to root.
USER 1000:1000
CMD ["node", "packages/api/dist/main.js"]
