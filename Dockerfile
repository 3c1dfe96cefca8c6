# One image for every service; the command selects it: docker run lockstep gateway
FROM oven/bun:1.4.5-slim AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /app
COPY package.json bun.lock ./
# Only what the lockfile names, without install scripts.
RUN --mount=type=cache,target=/bun-cache \
    BUN_INSTALL_CACHE_DIR=/bun-cache bun install --frozen-lockfile --production --omit=optional --ignore-scripts
COPY . .
# The whole content of the image: the executable, the five files of the C library that it is linked with, and a folder for
# temporary files. Host names are resolved in the C library's default order, the hosts file first.
RUN bun run compile --outfile /image/usr/local/bin/lockstep \
 && rm /image/usr/local/bin/*.map \
 && ldd /image/usr/local/bin/lockstep | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory=/image \
 && mkdir -p /image/etc && echo 'hosts: files dns' >/image/etc/nsswitch.conf \
 && mkdir -m 1777 /image/tmp

FROM scratch
COPY --from=build /image /
# Mount the folder of your lockstep.config.ts here. Its files import `lockstep` only, which the executable provides.
WORKDIR /project
# The allocator returns memory once per second instead of ten times, the heap grows less, and the last compiler compiles
# only the busiest functions (stack/README.md, Engine of the services).
ENV MIMALLOC_PURGE_DELAY=1000 MIMALLOC_PURGE_HOLES_MIN_INTERVAL=1000 BUN_JSC_heapGrowthMaxIncrease=1.5 \
    BUN_JSC_thresholdForFTLOptimizeAfterWarmUp=1000000
# Not root: the process cannot change the image.
USER 1000:1000
EXPOSE 8080
# Every second during the start, then every 15 s: each check is a process of its own.
HEALTHCHECK --interval=15s --timeout=3s --start-period=120s --start-interval=1s --retries=3 \
  CMD ["/usr/local/bin/lockstep", "health"]
ENTRYPOINT ["/usr/local/bin/lockstep"]
