#!/bin/bash
# A broker with Redpanda's flags. The first broker is also the controller; brokers with --seeds join it.
set -euo pipefail
[ "$1 $2" = 'redpanda start' ] || exec "$@"
shift 2
for flag; do
  case $flag in
  --kafka-addr=*) listeners=${flag#*=} ;;
  --advertise-kafka-addr=*) advertised=${flag#*=} ;;
  --seeds=*) seed=${flag#*=} ;;
  --smp=* | --memory=* | --reserve-memory=* | --overprovisioned | --check=false) ;;
  --default-log-level=* | --rpc-addr=* | --advertise-rpc-addr=*) ;;
  *) echo "unknown flag of redpanda start: $flag" >&2 && exit 1 ;;
  esac
done
grep -q 'write_caching_default: "false"' /etc/redpanda/.bootstrap.yaml
controller=${seed:-redpanda:33145}
node=${HOSTNAME##*-} # redpanda, redpanda-2, redpanda-3
[ "$node" != "$HOSTNAME" ] || node=1
roles=broker
[ "$node" != 1 ] || { roles=broker,controller && listeners+=,controller://0.0.0.0:33145; }
names() { sed 's/internal:/INTERNAL:/; s/external:/EXTERNAL:/; s/controller:/CONTROLLER:/' <<<"$1"; }
data=/var/lib/redpanda/data
cat >/tmp/server.properties <<EOF
process.roles=$roles
node.id=$node
controller.quorum.voters=1@${controller%:*}:33145
listeners=$(names "$listeners")
advertised.listeners=$(names "$advertised")
listener.security.protocol.map=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
log.dirs=$data/kafka
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=9000
broker.heartbeat.interval.ms=1000
log.cleaner.dedupe.buffer.size=33554432
EOF
java=(/opt/java/bin/java -Xmx400m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/*')
[ -e $data/kafka/meta.properties ] ||
  "${java[@]}" kafka.tools.StorageTool format -t Ty29t63MQRaEWuZ4aWUFOw -c /tmp/server.properties >/dev/null
exec "${java[@]}" kafka.Kafka /tmp/server.properties
