#!/bin/bash
# Supports POSTGRES_PASSWORD_FILE, as the real image does.
set -euo pipefail
[ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
export POSTGRES_PASSWORD
exec docker-entrypoint.sh "$@"
