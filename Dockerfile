# The command `zagflow` in an image. Your tasks come as a volume at /app/tasks, or by an image of your own:
#
#   FROM zagflow
#   COPY tasks /app/tasks
#
# Modules there import "zagflow" from /app/node_modules; TypeScript runs as it is.

FROM node:22-bookworm AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run --silent build && npm pack --silent --pack-destination /
WORKDIR /app
RUN printf '{ "private": true, "type": "module", "allowScripts": { "sqlite3": true } }\n' > package.json \
  && npm install --omit=dev --no-audit --no-fund /zagflow-*.tgz \
  && rm package-lock.json

FROM node:22-bookworm-slim
ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH
WORKDIR /app
COPY --from=build /app /app
RUN mkdir -p /app/tasks /app/.zagflow && chown node:node /app/.zagflow
USER node
STOPSIGNAL SIGTERM
ENTRYPOINT ["zagflow"]
CMD ["--help"]
