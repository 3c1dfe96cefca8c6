# One image for every service; the command says which: docker run lockstep gateway
FROM oven/bun:1.4.5-slim AS dependencies
WORKDIR /app
COPY package.json bun.lock ./
# Nothing but what the lockfile names, and none of its install scripts.
RUN bun install --frozen-lockfile --production --ignore-scripts

FROM oven/bun:1.4.5-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules node_modules
COPY package.json lockstep.ts ./
COPY contracts contracts
COPY platform platform
COPY observability observability
COPY gateway gateway
COPY stream stream
COPY replicas replicas
COPY operations operations
# The image's own user, bun: root is not needed, and nothing of the image can be changed by it.
USER 1000:1000
EXPOSE 8080
# Often while it starts, then rarely: each check is a process of its own.
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["bun", "-e", "const { ok } = await fetch(`http://127.0.0.1:${process.env.PORT || 8080}/health/ready`); process.exit(ok ? 0 : 1)"]
ENTRYPOINT ["bun", "lockstep.ts"]
