#!/bin/bash
# The part of `rpk cluster health` that the health check reads.
[ "$*" = 'cluster health' ] && (: </dev/tcp/127.0.0.1/9092) 2>/dev/null && echo 'Healthy:                          true'
